import { ErrorCode, errorName } from "@chronik-effect/core/model/ErrorCode.ts"
import { expect, test } from "vitest"

test("codes are Kafka's: without gaps from -1 to the newest, and each name once", () => {
  const codes = Object.values(ErrorCode).sort((a, b) => a - b)
  expect(codes).toEqual(Array.from({ length: codes.length }, (_, i) => i - 1))
  expect(ErrorCode.CONTROLLER_ID_NOT_REGISTERED).toBe(136)
})

test("names are given back, and a code of a newer Kafka keeps its number", () => {
  expect(errorName(-1)).toBe("UNKNOWN_SERVER_ERROR")
  expect(errorName(ErrorCode.REBOOTSTRAP_REQUIRED)).toBe("REBOOTSTRAP_REQUIRED")
  expect(errorName(999)).toBe("ERROR_999")
})
