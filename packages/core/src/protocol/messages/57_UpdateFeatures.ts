/**
 * UpdateFeatures: change finalized feature levels (KIP-584).
 *
 * - 1 validate only, and upgrade types in place of `allowDowngrade` (KIP-778).
 * - 2 one result for the whole request in place of one per feature (KIP-1022).
 */
import { makeApi } from "../Api.ts"
import { array, bool, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const UpdateFeaturesRequest = message(
  "UpdateFeaturesRequest",
  { versions: "0-2", flexible: "0+" },
  {
    timeoutMs: int32("0+", { default: 60000 }),
    featureUpdates: array("0+", {
      feature: string("0+", { mapKey: true }),
      maxVersionLevel: int16("0+"),
      allowDowngrade: bool("0"),
      upgradeType: int8("1+", { default: 1 })
    }),
    validateOnly: bool("1+")
  }
)
export type UpdateFeaturesRequest = TypeOf<typeof UpdateFeaturesRequest>

export const UpdateFeaturesResponse = message(
  "UpdateFeaturesResponse",
  { versions: "0-2", flexible: "0+" },
  {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: true }),
    results: array(
      "0-1",
      {
        feature: string("0+", { mapKey: true }),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: true })
      },
      { ignorable: true }
    )
  }
)
export type UpdateFeaturesResponse = TypeOf<typeof UpdateFeaturesResponse>

export const UpdateFeaturesApi = makeApi(57, "UpdateFeatures", UpdateFeaturesRequest, UpdateFeaturesResponse)
