import * as fc from "fast-check"
import { expect, it } from "vitest"
import { acksOf } from "../../src/metadata/Acknowledgement.ts"
import { command } from "./Arbitrary.ts"

it("only what may be lost without harm is answered after the leader's fsync (rule 27)", () => {
  fc.assert(
    fc.property(command, (one) => {
      expect(acksOf(one, "quorum")).toBe("quorum")
      expect(acksOf(one, "leader")).toBe(
        one._tag === "AlterConfigs" || one._tag === "AlterClientQuotas" ? "leader" : "quorum"
      )
    }),
    { numRuns: 300 }
  )
})
