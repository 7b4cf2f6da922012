/**
 * DescribeConfigs: effective configs of topics, brokers, groups. Null names = all.
 *
 * - 1 source and synonyms of a value (KIP-226); 3 types and documentation (KIP-569); 4 flexible.
 */
import { makeApi } from "../Api.ts"
import { array, bool, int8, int16, int32, message, string, type TypeOf } from "../Descriptor.ts"

export const DescribeConfigsRequest = message(
  "DescribeConfigsRequest",
  { versions: "1-4", flexible: "4+" },
  {
    resources: array("0+", {
      resourceType: int8("0+"),
      resourceName: string("0+"),
      configurationKeys: array("0+", "string", { nullable: true })
    }),
    includeSynonyms: bool("1+"),
    includeDocumentation: bool("3+")
  }
)
export type DescribeConfigsRequest = TypeOf<typeof DescribeConfigsRequest>

export const DescribeConfigsResponse = message(
  "DescribeConfigsResponse",
  { versions: "1-4", flexible: "4+" },
  {
    throttleTimeMs: int32("0+"),
    results: array("0+", {
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: true }),
      resourceType: int8("0+"),
      resourceName: string("0+"),
      configs: array("0+", {
        name: string("0+"),
        value: string("0+", { nullable: true }),
        readOnly: bool("0+"),
        configSource: int8("1+", { default: -1, ignorable: true }),
        isSensitive: bool("0+"),
        synonyms: array(
          "1+",
          {
            name: string("1+"),
            value: string("1+", { nullable: true }),
            source: int8("1+")
          },
          { ignorable: true }
        ),
        configType: int8("3+", { ignorable: true }),
        documentation: string("3+", { nullable: true, ignorable: true })
      })
    })
  }
)
export type DescribeConfigsResponse = TypeOf<typeof DescribeConfigsResponse>

export const DescribeConfigsApi = makeApi(32, "DescribeConfigs", DescribeConfigsRequest, DescribeConfigsResponse)
