/**
 * DescribeClientQuotas: quotas that match a filter of entities (KIP-546).
 *
 * - 1 flexible. Match types: 0 exact name, 1 the default entity, 2 any. A null name in the answer is the default
 *   entity.
 */
import { makeApi } from "../Api.ts"
import { array, bool, float64, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const DescribeClientQuotasRequest = message(
  "DescribeClientQuotasRequest",
  { versions: "0-1", flexible: "1+" },
  {
    components: array("0+", {
      entityType: string("0+"),
      matchType: int8("0+"),
      match: string("0+", { nullable: true })
    }),
    strict: bool("0+")
  }
)
export type DescribeClientQuotasRequest = TypeOf<typeof DescribeClientQuotasRequest>

export const DescribeClientQuotasResponse = message(
  "DescribeClientQuotasResponse",
  { versions: "0-1", flexible: "1+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: true }),
    entries: array(
      "0+",
      {
        entity: array("0+", {
          entityType: string("0+"),
          entityName: string("0+", { nullable: true })
        }),
        values: array("0+", {
          key: string("0+"),
          value: float64("0+")
        })
      },
      { nullable: true }
    )
  }
)
export type DescribeClientQuotasResponse = TypeOf<typeof DescribeClientQuotasResponse>

export const DescribeClientQuotasApi = makeApi(
  48,
  "DescribeClientQuotas",
  DescribeClientQuotasRequest,
  DescribeClientQuotasResponse
)
