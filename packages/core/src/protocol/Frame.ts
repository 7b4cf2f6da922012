/**
 * Whole frames: int32 length, header, body.
 *
 * Encoding gives the frame as parts, in order: `records` of the value are parts of their own, never copied, and belong
 * to the caller until the parts have left the process. Decoding takes the bytes *behind* the length, where the listener
 * has already cut and bounded them. Bytes after the body are tolerated, as in Kafka.
 */
import type { Api } from "./Api.ts"
import { codecOf, type Partially } from "./Message.ts"
import { ProtocolError } from "./ProtocolError.ts"
import { Reader } from "./Reader.ts"
import {
  decodeRequestHeader,
  decodeResponseHeader,
  encodeRequestHeader,
  encodeResponseHeader,
  type RequestHeader
} from "./RequestHeader.ts"
import { Writer } from "./Writer.ts"

const LENGTH_BYTES = 4

/** Shared: encoding is synchronous, and finished parts are never written again. */
const writer = new Writer()

const finishFrame = (): Array<Uint8Array> => {
  writer.patchInt32(0, writer.length - LENGTH_BYTES)
  return writer.finish()
}

export const encodeRequestFrame = <Req>(
  api: Api<Req>,
  version: number,
  correlationId: number,
  clientId: string | null,
  value: Partially<Req>
): Array<Uint8Array> => {
  // A value that failed to encode has left its beginning behind.
  writer.reset()
  writer.int32(0)
  encodeRequestHeader(writer, api, version, correlationId, clientId)
  codecOf(api.request, version).encode(writer, value)
  return finishFrame()
}

export const encodeResponseFrame = <Res>(
  api: Api<unknown, Res>,
  version: number,
  correlationId: number,
  value: Partially<Res>
): Array<Uint8Array> => {
  writer.reset()
  writer.int32(0)
  encodeResponseHeader(writer, api, version, correlationId)
  codecOf(api.response, version).encode(writer, value)
  return finishFrame()
}

export interface DecodedRequest {
  readonly header: RequestHeader
  readonly api: Api
  /** The API's request. */
  readonly value: unknown
}

/**
 * The frame in `[start, end)`. Throws `ProtocolError` when it is malformed or of an API or version that is not
 * spoken.
 */
export const decodeRequest = (bytes: Uint8Array, start: number, end: number): DecodedRequest => {
  const reader = new Reader(bytes, start, end)
  const header = decodeRequestHeader(reader)
  const { api, apiKey, apiVersion } = header
  if (api === undefined) throw new ProtocolError(`API key ${apiKey} version ${apiVersion} is not spoken here`)
  return { header, api, value: codecOf(api.request, apiVersion).decode(reader) }
}

export interface DecodedResponse<Res> {
  readonly correlationId: number
  readonly value: Res
}

/** The answer in `[start, end)` to a request of this API and version. Throws `ProtocolError` when it is malformed. */
export const decodeResponse = <Res>(
  api: Api<unknown, Res>,
  version: number,
  bytes: Uint8Array,
  start: number,
  end: number
): DecodedResponse<Res> => {
  const reader = new Reader(bytes, start, end)
  const correlationId = decodeResponseHeader(reader, api, version)
  return { correlationId, value: codecOf(api.response, version).decode(reader) }
}
