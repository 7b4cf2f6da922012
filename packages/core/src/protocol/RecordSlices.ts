/**
 * A `records` field made of several pieces of memory, for an encoder that is not to copy them together.
 *
 * Read paths find the batches of an answer in different places; on the wire they lie behind each other. Decoders never
 * make one: what was received is contiguous.
 */
export class RecordSlices {
  readonly slices: ReadonlyArray<Uint8Array>
  /** Bytes in all slices. */
  readonly length: number

  constructor(slices: ReadonlyArray<Uint8Array>) {
    let length = 0
    for (const slice of slices) length += slice.length
    this.slices = slices
    this.length = length
  }
}
