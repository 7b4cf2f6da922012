/**
 * AlterClientQuotas: set or remove quotas of entities (KIP-546). A null name is the default entity.
 *
 * - 1 flexible.
 */
import { makeApi } from "../Api.ts"
import { array, bool, float64, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const AlterClientQuotasRequest = message(
  "AlterClientQuotasRequest",
  { versions: "0-1", flexible: "1+" },
  {
    entries: array("0+", {
      entity: array("0+", {
        entityType: string("0+"),
        entityName: string("0+", { nullable: true })
      }),
      ops: array("0+", {
        key: string("0+"),
        value: float64("0+"),
        remove: bool("0+")
      })
    }),
    validateOnly: bool("0+")
  }
)
export type AlterClientQuotasRequest = TypeOf<typeof AlterClientQuotasRequest>

export const AlterClientQuotasResponse = message(
  "AlterClientQuotasResponse",
  { versions: "0-1", flexible: "1+" },
  {
    throttleTimeMs: int32("0+"),
    entries: array("0+", {
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: true }),
      entity: array("0+", {
        entityType: string("0+"),
        entityName: string("0+", { nullable: true })
      })
    })
  }
)
export type AlterClientQuotasResponse = TypeOf<typeof AlterClientQuotasResponse>

export const AlterClientQuotasApi = makeApi(
  49,
  "AlterClientQuotas",
  AlterClientQuotasRequest,
  AlterClientQuotasResponse
)
