/** Both directions of one message in one version. */
import { AssertionError } from "../base/Assert.ts"
import type { Partially } from "./Descriptor.ts"
import type { Reader } from "./Reader.ts"
import type { Writer } from "./Writer.ts"

export interface Codec<A> {
  /** Reads one message; bytes after it are left for the caller to judge. Throws `ProtocolError` only. */
  readonly decode: (reader: Reader) => A
  /** Absent fields are written as their defaults. A value that does not fit is a defect and fails an assertion. */
  readonly encode: (writer: Writer, value: Partially<A>) => void
}

export const rejectAbsent = (path: string): never => {
  throw new AssertionError(`${path} holds a value, and the version that is being encoded has no such field`)
}

export const rejectNull = (path: string): never => {
  throw new AssertionError(`${path} is null, and the version that is being encoded does not allow it`)
}
