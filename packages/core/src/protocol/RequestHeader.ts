/**
 * What stands in front of every message: who asks what, in which version, and the number that pairs answer and request.
 *
 * ```text
 * request  v1: apiKey int16, apiVersion int16, correlationId int32, clientId nullable string (int16 length, always)
 * request  v2: v1, tag section            (flexible versions of an API)
 * response v0: correlationId int32
 * response v1: v0, tag section            (flexible versions, but never ApiVersions)
 * ```
 * A header of an unknown API or version is read as far as the client id, because what follows is then unknown: the
 * dispatcher answers ApiVersions and closes the connection for everything else. Nobody may read such a body.
 */
import type { Api } from "./Api.ts"
import { apis } from "./ApiKeys.ts"
import type { Reader } from "./Reader.ts"
import type { Writer } from "./Writer.ts"

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  /** The API, when this version of it can be decoded; the reader then stands at the body. */
  readonly api: Api | undefined
}

/** Leaves the reader at the body, or behind the client id when `api` is undefined. */
export const decodeRequestHeader = (reader: Reader): RequestHeader => {
  const apiKey = reader.int16()
  const apiVersion = reader.int16()
  const correlationId = reader.int32()
  const clientId = reader.nullableString()
  const known = apis.get(apiKey)
  const api = known?.serves(apiVersion) === true ? known : undefined
  if (api !== undefined && api.requestHeaderVersion(apiVersion) === 2) reader.skipTags()
  return { apiKey, apiVersion, correlationId, clientId, api }
}

export const encodeRequestHeader = (
  writer: Writer,
  api: Api,
  apiVersion: number,
  correlationId: number,
  clientId: string | null
): void => {
  writer.int16(api.key)
  writer.int16(apiVersion)
  writer.int32(correlationId)
  writer.nullableString(clientId)
  if (api.requestHeaderVersion(apiVersion) === 2) writer.unsignedVarint(0)
}

/** Returns the correlation id; the reader then stands at the body. */
export const decodeResponseHeader = (reader: Reader, api: Api, apiVersion: number): number => {
  const correlationId = reader.int32()
  if (api.responseHeaderVersion(apiVersion) === 1) reader.skipTags()
  return correlationId
}

export const encodeResponseHeader = (writer: Writer, api: Api, apiVersion: number, correlationId: number): void => {
  writer.int32(correlationId)
  if (api.responseHeaderVersion(apiVersion) === 1) writer.unsignedVarint(0)
}
