import { testScenarios } from "../../../../../test/datadriven/scenarios.ts"
import { ConsumerScenario } from "./ConsumerScenario.ts"

testScenarios(new URL("./testdata/", import.meta.url), () => new ConsumerScenario())
