/**
 * Assembles the WebAssembly module of `Crc32c.ts`: CRC-32C by sixteen lookup tables ("slicing by 16").
 *
 * The module is small enough to be written down as instructions here, so there is no binary blob and no build step. It
 * exports `memory` (fixed size: growing would detach every view into it) and
 * `crc(position, length, crc) → crc`, which continues a finished CRC (0 to begin). The sixteen tables of 256 words lie at
 * address 0 and are filled in by `fillTables` before the first call.
 *
 * One step of the loop takes 16 bytes as four words w0…w3 (w0 mixed with the CRC so far); byte number j of the 16 is looked
 * up in table 15 - j. `(w >>> (8k - 2)) & 0x3fc` is byte k times four, the byte address inside its table.
 */

export const TABLE_BYTES = 16 * 1024
const PAGE_BYTES = 65_536

/** Reflected Castagnoli polynomial. */
const POLYNOMIAL = 0x82f6_3b78

/** The 16 tables, in the layout that `crc` expects. */
export function fillTables(tables: Uint32Array): void {
  for (let n = 0; n < 256; n++) {
    let crc = n
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL
    tables[n] = crc
  }
  for (let n = 256; n < 4096; n++) {
    const above = tables[n - 256]!
    tables[n] = (above >>> 8) ^ tables[above & 255]!
  }
}

type Code = ReadonlyArray<number>

const POSITION = 0
const LENGTH = 1
const CRC = 2
const END = 3
const WORD = 4

const I32 = 0x7f
const VOID = 0x40
const AND: Code = [0x71]
const XOR: Code = [0x73]
const SHL: Code = [0x74]
const SHR: Code = [0x76]
const ADD: Code = [0x6a]
const LESS: Code = [0x49]
const NOT_LESS: Code = [0x4f]

const local = (index: number): Code => [0x20, index]
const assign = (index: number, ...value: ReadonlyArray<Code>): Code => [...value.flat(), 0x21, index]
const constant = (value: number): Code => [0x41, ...signed(value)]
const loadWord = (offset: number): Code => [0x28, 2, ...unsigned(offset)]
const loadByte: Code = [0x2d, 0, 0]
const breakIf = (depth: number): Code => [0x0d, depth]
const block = (...body: ReadonlyArray<Code>): Code => [0x02, VOID, ...body.flat(), 0x0b]
const loop = (...body: ReadonlyArray<Code>): Code => [0x03, VOID, ...body.flat(), 0x0b]

function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)]
}

function signed(value: number): Code {
  return value >= -64 && value < 64 ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)]
}

/** Table word for byte `k` of word number `w`. */
function lookup(w: number, k: number): Code {
  const shift = k === 0 ? [...constant(2), ...SHL] : [...constant(8 * k - 2), ...SHR]
  return [...local(WORD + w), ...shift, ...constant(0x3fc), ...AND, ...loadWord((15 - (4 * w + k)) * 1024)]
}

/** XOR of a list as a balanced tree: short dependency chains matter more than instruction count. */
function xorAll(values: ReadonlyArray<Code>): Code {
  if (values.length === 1) return values[0]!
  const middle = values.length >> 1
  return [...xorAll(values.slice(0, middle)), ...xorAll(values.slice(middle)), ...XOR]
}

function body(): Code {
  const invert = assign(CRC, local(CRC), constant(-1), XOR)
  const endAfter = (mask: number) => assign(END, local(POSITION), local(LENGTH), constant(mask), AND, ADD)
  const done = [...local(POSITION), ...local(END), ...NOT_LESS, ...breakIf(1)]
  const advance = (bytes: number) => [
    ...assign(POSITION, local(POSITION), constant(bytes), ADD),
    ...local(POSITION),
    ...local(END),
    ...LESS,
    ...breakIf(0)
  ]
  const words = [0, 1, 2, 3]
  const sixteen = [
    ...assign(WORD, local(POSITION), loadWord(0), local(CRC), XOR),
    ...words.slice(1).flatMap((w) => assign(WORD + w, local(POSITION), loadWord(4 * w))),
    ...assign(CRC, xorAll(words.flatMap((w) => [0, 1, 2, 3].map((k) => lookup(w, k)))))
  ]
  const one = assign(
    CRC,
    [
      ...local(CRC),
      ...local(POSITION),
      ...loadByte,
      ...XOR,
      ...constant(255),
      ...AND,
      ...constant(2),
      ...SHL,
      ...loadWord(0)
    ],
    [...local(CRC), ...constant(8), ...SHR],
    XOR
  )
  // `done` sits inside its loop and leaves the block around it, so that an empty range is never entered.
  return [
    ...invert,
    ...endAfter(-16),
    ...block(loop(done, sixteen, advance(16))),
    ...endAfter(15),
    ...block(loop(done, one, advance(1))),
    ...invert,
    ...local(CRC),
    0x0b
  ]
}

const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content]
const name = (text: string): Code => [text.length, ...Array.from(text, (character) => character.charCodeAt(0))]

export function assembleModule(memoryBytes: number): Uint8Array<ArrayBuffer> {
  const pages = unsigned(memoryBytes / PAGE_BYTES)
  const code = [1, 5, I32, ...body()]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [1, 0x60, 3, I32, I32, I32, 1, I32]),
    ...section(3, [1, 0]),
    ...section(5, [1, 1, ...pages, ...pages]),
    ...section(7, [2, ...name("memory"), 2, 0, ...name("crc"), 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code])
  ])
}
