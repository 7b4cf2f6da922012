/**
 * What consumers of a classic group put into the opaque bytes of JoinGroup and SyncGroup (protocol type "consumer").
 *
 * - Both begin with their version, int16. 1 partitions that the member owns (KIP-429); 2 the generation in which it got
 *   them (KIP-792); 3 its rack (KIP-881).
 *
 * A version above 3 is read as 3: newer ones only add at the end. The broker reads these to show topics of members
 * and to let old members join new-protocol groups; it never decides an assignment of a classic group.
 */
import { array, bytes, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const ConsumerProtocolSubscription = message(
  "ConsumerProtocolSubscription",
  { versions: "0-3", flexible: "none" },
  {
    topics: array("0+", "string"),
    userData: bytes("0+", { nullable: true, default: null }),
    ownedPartitions: array(
      "1+",
      {
        topic: string("1+", { mapKey: true }),
        partitions: array("1+", "int32")
      },
      { ignorable: true }
    ),
    generationId: int32("2+", { default: -1, ignorable: true }),
    rackId: string("3+", { nullable: true, default: null, ignorable: true })
  }
)
export type ConsumerProtocolSubscription = TypeOf<typeof ConsumerProtocolSubscription>

export const ConsumerProtocolAssignment = message(
  "ConsumerProtocolAssignment",
  { versions: "0-3", flexible: "none" },
  {
    assignedPartitions: array("0+", {
      topic: string("0+", { mapKey: true }),
      partitions: array("0+", "int32")
    }),
    userData: bytes("0+", { nullable: true, default: null })
  }
)
export type ConsumerProtocolAssignment = TypeOf<typeof ConsumerProtocolAssignment>
