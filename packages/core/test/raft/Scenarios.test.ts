import { testScenarios } from "../../../../test/datadriven/scenarios.ts"
import { Scenario } from "./Scenario.ts"

testScenarios(new URL("./testdata/", import.meta.url), () => new Scenario())
