/**
 * One Kafka API: its key, its two messages, and the versions that are offered to clients.
 *
 * The descriptors say which versions can be decoded; an `Api` says which ones ApiVersions advertises. The two differ in
 * few places, each a fact about clients, and each is written where the API is declared.
 */
import { includes, type Message, OPEN, type VersionRange } from "./Descriptor.ts"

export interface Api<out Req = unknown, out Res = unknown> {
  readonly key: number
  readonly name: string
  readonly request: Message<Req>
  readonly response: Message<Res>
  /** Lowest version that ApiVersions advertises. */
  readonly minVersion: number
  /** Highest version that ApiVersions advertises. */
  readonly maxVersion: number
  /** First version with compact lengths and tag sections, in both directions; undefined = none. */
  readonly flexibleFrom: number | undefined
  /** Whether a request of this version can be decoded and served. */
  readonly serves: (version: number) => boolean
  /** 2 = with a tag section, 1 = without. */
  readonly requestHeaderVersion: (version: number) => 1 | 2
  /** 1 = with a tag section, 0 = correlation id only. */
  readonly responseHeaderVersion: (version: number) => 0 | 1
}

export interface ApiOptions {
  /** Advertised minimum, when it is not the lowest version of the descriptor. */
  readonly minVersion?: number
  /** Advertised maximum, when the newest version of the descriptor is still unstable in Kafka. */
  readonly maxVersion?: number
  /** ApiVersions answers with the plain header in every version: the client cannot know yet what the broker speaks. */
  readonly plainResponseHeader?: true
}

const flexibleFrom = (range: VersionRange): number | undefined => (range.last === OPEN ? range.first : undefined)

export const makeApi = <Req, Res>(
  key: number,
  name: string,
  request: Message<Req>,
  response: Message<Res>,
  options: ApiOptions = {}
): Api<Req, Res> => {
  const maxVersion = options.maxVersion ?? request.versions.last
  return {
    key,
    name,
    request,
    response,
    minVersion: options.minVersion ?? request.versions.first,
    maxVersion,
    flexibleFrom: flexibleFrom(request.flexible),
    serves: (version) => version >= request.versions.first && version <= maxVersion,
    requestHeaderVersion: (version) => (includes(request.flexible, version) ? 2 : 1),
    responseHeaderVersion: (version) =>
      options.plainResponseHeader !== true && includes(response.flexible, version) ? 1 : 0
  }
}
