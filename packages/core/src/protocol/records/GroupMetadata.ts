/**
 * A classic group in `__consumer_offsets`: generation, chosen protocol and members with their assignments.
 *
 * - Key type 2. Value 1 has the rebalance timeout, 2 the time of the last change, 3 instance ids (KIP-345), 4 is
 *   flexible.
 *
 * Kafka 4.3.1 writes values of version 3. A null value is a deleted group.
 */
import { array, bytes, int32, int64, message, string, type TypeOf } from "../Descriptor.ts"

export const GroupMetadataKey = message(
  "GroupMetadataKey",
  { versions: "0", flexible: "none" },
  {
    group: string("0")
  }
)
export type GroupMetadataKey = TypeOf<typeof GroupMetadataKey>

const memberMetadata = {
  memberId: string("0+"),
  groupInstanceId: string("3+", { nullable: true, default: null, ignorable: true }),
  clientId: string("0+"),
  clientHost: string("0+"),
  rebalanceTimeout: int32("1+", { default: -1, ignorable: true }),
  sessionTimeout: int32("0+"),
  subscription: bytes("0+"),
  assignment: bytes("0+")
}

export const GroupMetadataValue = message(
  "GroupMetadataValue",
  { versions: "0-4", flexible: "4+" },
  {
    protocolType: string("0+"),
    generation: int32("0+"),
    protocol: string("0+", { nullable: true }),
    leader: string("0+", { nullable: true }),
    currentStateTimestamp: int64("2+", { default: -1, ignorable: true }),
    members: array("0+", memberMetadata)
  }
)
export type GroupMetadataValue = TypeOf<typeof GroupMetadataValue>
