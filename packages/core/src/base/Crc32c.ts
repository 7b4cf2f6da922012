/**
 * CRC-32C (Castagnoli), the checksum of Kafka's record batches.
 *
 * The default is our own WebAssembly (`Crc32cModule.ts`). Its memory is exported in regions: bytes that were received into a
 * region of `crcMemory` are checked where they lie, all others are copied through a small scratch window. The memory comes in
 * banks, each an instance with a fixed memory of its own, made when the one before is used up: memory in one piece of 64 MiB
 * makes V8 collect garbage at once, in the middle of a start. `installCrc32c` puts a native implementation before it.
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

const BANK_BYTES = 16 * 1024 * 1024
const BANKS_MAX = 4
const SCRATCH_BYTES = 64 * 1024
const SCRATCH = TABLE_BYTES
const REGION_ALIGNMENT = 4096

/** Below this the call into native code costs more than it saves. */
const NATIVE_BYTES_MIN = 512

interface Bank {
  readonly buffer: ArrayBuffer
  readonly crc: (position: number, length: number, crc: number) => number
}

const compiled = new WebAssembly.Module(assembleModule(BANK_BYTES))
const banks: Array<Bank> = []
const firstBank = addBank()
const scratch = new Uint8Array(firstBank.buffer, SCRATCH, SCRATCH_BYTES)
/** In the newest bank. */
let regionsEnd = alignUp(SCRATCH + SCRATCH_BYTES)
let native: ((bytes: Uint8Array) => number) | undefined

/** CRC-32C of `bytes[start, end)` as an unsigned number. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  // A range outside `bytes` would silently check foreign memory.
  assert(start >= 0 && start <= end && end <= bytes.length, "a CRC range must lie inside its bytes")
  const length = end - start
  if (native !== undefined && length >= NATIVE_BYTES_MIN) return native(bytes.subarray(start, end)) >>> 0
  const { buffer } = bytes
  for (let i = 0; i < banks.length; i++) {
    const bank = banks[i]!
    if (bank.buffer === buffer) return bank.crc(bytes.byteOffset + start, length, 0) >>> 0
  }
  return copiedCrc(bytes, start, end)
}

function copiedCrc(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0
  let pos = start
  do {
    const length = Math.min(SCRATCH_BYTES, end - pos)
    scratch.set(pos === 0 && length === bytes.length ? bytes : bytes.subarray(pos, pos + length))
    crc = firstBank.crc(SCRATCH, length, crc)
    pos += length
  } while (pos < end)
  return crc >>> 0
}

/**
 * A region of `bytes` bytes for receive buffers, zeroed, which CRCs are computed on in place. Regions are never given back:
 * take a few large ones and keep them. When the 64 MiB of all banks are used up, and for what is larger than a bank, an
 * ordinary array is returned, which works the same at the price of a copy a check.
 */
export function crcMemory(bytes: number): Uint8Array {
  assert(Number.isInteger(bytes) && bytes >= 0, "a memory region needs a size in bytes")
  if (regionsEnd + bytes > BANK_BYTES) {
    if (banks.length === BANKS_MAX || alignUp(TABLE_BYTES) + bytes > BANK_BYTES) return new Uint8Array(bytes)
    addBank()
    regionsEnd = alignUp(TABLE_BYTES)
  }
  const region = new Uint8Array(banks.at(-1)!.buffer, regionsEnd, bytes)
  regionsEnd = alignUp(regionsEnd + bytes)
  return region
}

/** Whether `bytes` lies in a region of `crcMemory`. */
export function isCrcMemory(bytes: Uint8Array): boolean {
  return banks.some((bank) => bank.buffer === bytes.buffer)
}

function addBank(): Bank {
  const { memory, crc } = new WebAssembly.Instance(compiled).exports
  fillTables(new Uint32Array(memory.buffer, 0, TABLE_BYTES / 4))
  const bank = { buffer: memory.buffer, crc }
  banks.push(bank)
  return bank
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
