/**
 * CRC-32C (Castagnoli), the checksum of Kafka's record batches.
 *
 * The default is our own WebAssembly (`Crc32cModule.ts`). Its memory is fixed and exported in regions: bytes that were
 * received into a region of `crcMemory` are checked where they lie, all others are copied through a small scratch window.
 * Pages of the memory that nobody touches cost nothing. `installCrc32c` puts a native implementation before it.
 *
 * It deliberately knows nothing of batches; CRC-32 (IEEE) of the WAL is injected there by io.
 */
import { assert } from "./Assert.ts"
import { assembleModule, fillTables, TABLE_BYTES } from "./Crc32cModule.ts"

/** The part of the host's global that is used here: the compiler's own types for it come only with the DOM. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (
    module: object
  ) => {
    readonly exports: {
      readonly memory: { readonly buffer: ArrayBuffer }
      readonly crc: (position: number, length: number, crc: number) => number
    }
  }
}

const MEMORY_BYTES = 64 * 1024 * 1024
const SCRATCH_BYTES = 64 * 1024
const SCRATCH = TABLE_BYTES
const REGION_ALIGNMENT = 4096

/** Below this the call into native code costs more than it saves. */
const NATIVE_BYTES_MIN = 512

const { memory, crc: wasmCrc } = new WebAssembly.Instance(new WebAssembly.Module(assembleModule(MEMORY_BYTES))).exports
fillTables(new Uint32Array(memory.buffer, 0, TABLE_BYTES / 4))

const wasmBuffer = memory.buffer
const scratch = new Uint8Array(wasmBuffer, SCRATCH, SCRATCH_BYTES)
let regionsEnd = alignUp(SCRATCH + SCRATCH_BYTES)
let native: ((bytes: Uint8Array) => number) | undefined

/** CRC-32C of `bytes[start, end)` as an unsigned number. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  // A range outside `bytes` would silently check foreign memory.
  assert(start >= 0 && start <= end && end <= bytes.length, "a CRC range must lie inside its bytes")
  const length = end - start
  if (native !== undefined && length >= NATIVE_BYTES_MIN) return native(bytes.subarray(start, end)) >>> 0
  if (bytes.buffer === wasmBuffer) return wasmCrc(bytes.byteOffset + start, length, 0) >>> 0
  return copiedCrc(bytes, start, end)
}

function copiedCrc(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0
  let pos = start
  do {
    const length = Math.min(SCRATCH_BYTES, end - pos)
    scratch.set(pos === 0 && length === bytes.length ? bytes : bytes.subarray(pos, pos + length))
    crc = wasmCrc(SCRATCH, length, crc)
    pos += length
  } while (pos < end)
  return crc >>> 0
}

/**
 * A region of `bytes` bytes for receive buffers, zeroed, which CRCs are computed on in place. Regions are never given back:
 * take a few large ones and keep them. When the 64 MiB are used up an ordinary array is returned, which works the same at
 * the price of a copy a check.
 */
export function crcMemory(bytes: number): Uint8Array {
  assert(Number.isInteger(bytes) && bytes >= 0, "a memory region needs a size in bytes")
  if (regionsEnd + bytes > MEMORY_BYTES) return new Uint8Array(bytes)
  const region = new Uint8Array(wasmBuffer, regionsEnd, bytes)
  regionsEnd = alignUp(regionsEnd + bytes)
  return region
}

/** Uses `implementation` for all but small inputs, or the WebAssembly alone again when undefined. Wrong CRCs are refused. */
export function installCrc32c(implementation: ((bytes: Uint8Array) => number) | undefined): void {
  if (implementation !== undefined) {
    const golden = Uint8Array.from("123456789", (digit) => digit.charCodeAt(0))
    assert(implementation(golden) >>> 0 === 0xe306_9283, "the installed CRC-32C computes another checksum")
  }
  native = implementation
}

function alignUp(position: number): number {
  return Math.ceil(position / REGION_ALIGNMENT) * REGION_ALIGNMENT
}
