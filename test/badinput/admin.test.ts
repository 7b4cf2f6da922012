/**
 * The ACL APIs on a broker without an authorizer: SECURITY_DISABLED for whatever is asked, and the end of the connection for
 * who sends the code "unknown", as Kafka does.
 */
import { ErrorCode } from "@chronik-effect/core/model/ErrorCode.ts"
import { DescribeAclsApi } from "@chronik-effect/core/protocol/messages/29_DescribeAcls.ts"
import { CreateAclsApi } from "@chronik-effect/core/protocol/messages/30_CreateAcls.ts"
import { DeleteAclsApi } from "@chronik-effect/core/protocol/messages/31_DeleteAcls.ts"
import { type Broker, startBroker } from "chronik-effect/testing"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { ConnectionClosed, Peer } from "./Peer.ts"

let broker: Broker
beforeAll(async () => {
  broker = await startBroker()
})
afterAll(() => broker.close())

const ANY = 1
const filter = {
  resourceTypeFilter: ANY,
  resourceNameFilter: null,
  patternTypeFilter: ANY,
  principalFilter: null,
  hostFilter: null,
  operation: ANY,
  permissionType: ANY
}
const creation = {
  resourceType: 2,
  resourceName: "t",
  resourcePatternType: 3,
  principal: "User:a",
  host: "*",
  operation: 3,
  permissionType: 3
}
const { SECURITY_DISABLED } = ErrorCode
/** Codes that Kafka does not know and takes for "something newer". */
const STRANGE = [99, -1]

describe("ACLs without an authorizer", () => {
  test("DescribeAcls, in every version", async () => {
    using peer = await Peer.connect(broker.port)
    for (const version of [1, 2, 3]) {
      const answer = await peer.call(DescribeAclsApi, version, filter)
      expect(answer).toMatchObject({ errorCode: SECURITY_DISABLED, resources: [] })
      expect(answer.errorMessage).toMatch(/no authorizer/)
      for (const operation of STRANGE) {
        expect((await peer.call(DescribeAclsApi, version, { ...filter, operation })).errorCode).toBe(SECURITY_DISABLED)
      }
    }
  })

  test("CreateAcls: one answer a creation, in every version", async () => {
    using peer = await Peer.connect(broker.port)
    for (const version of [1, 2, 3]) {
      const creations = [creation, { ...creation, principal: "nonsense" }, { ...creation, resourceType: 99 }]
      const { results } = await peer.call(CreateAclsApi, version, { creations })
      expect(results.map(({ errorCode }) => errorCode)).toEqual([1, 2, 3].map(() => SECURITY_DISABLED))
      expect((await peer.call(CreateAclsApi, version, { creations: [] })).results).toEqual([])
    }
  })

  test("DeleteAcls: one answer a filter, in every version", async () => {
    using peer = await Peer.connect(broker.port)
    for (const version of [1, 2, 3]) {
      const { filterResults } = await peer.call(DeleteAclsApi, version, {
        filters: [filter, { ...filter, operation: 99 }]
      })
      expect(filterResults.map(({ errorCode, matchingAcls }) => [errorCode, matchingAcls])).toEqual([
        [SECURITY_DISABLED, []],
        [SECURITY_DISABLED, []]
      ])
      expect((await peer.call(DeleteAclsApi, version, { filters: [] })).filterResults).toEqual([])
    }
  })

  test("the code 0 ends the connection, wherever it stands", async () => {
    const closes = async (ask: (peer: Peer) => Promise<unknown>) => {
      using peer = await Peer.connect(broker.port)
      await expect(ask(peer)).rejects.toThrow(ConnectionClosed)
    }
    for (const field of ["resourceTypeFilter", "patternTypeFilter", "operation", "permissionType"]) {
      await closes((peer) => peer.call(DescribeAclsApi, 3, { ...filter, [field]: 0 }))
      await closes((peer) => peer.call(DeleteAclsApi, 3, { filters: [filter, { ...filter, [field]: 0 }] }))
    }
    for (const field of ["resourceType", "resourcePatternType", "operation", "permissionType"]) {
      await closes((peer) => peer.call(CreateAclsApi, 3, { creations: [creation, { ...creation, [field]: 0 }] }))
    }
  })
})
