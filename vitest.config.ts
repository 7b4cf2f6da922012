import { defineConfig } from "vitest/config"
import ClosingLine from "./test/support/closingLine.ts"

export default defineConfig({
  // What the published package exports, from its source.
  resolve: { alias: { "chronik-effect/testing": new URL("./packages/cli/src/testing.ts", import.meta.url).pathname } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    maxWorkers: 2,
    reporters: ["default", new ClosingLine()]
  }
})
