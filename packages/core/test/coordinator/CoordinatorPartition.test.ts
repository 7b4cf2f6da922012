import { expect, test } from "vitest"
import { coordinatorPartition, javaStringHash } from "../../src/coordinator/CoordinatorPartition.ts"

test("String.hashCode of Java", () => {
  expect(javaStringHash("")).toBe(0)
  expect(javaStringHash("hello")).toBe(99162322)
  expect(javaStringHash("polygenelubricants")).toBe(-2147483648)
  expect(javaStringHash("grüße-😀")).toBe(347391577)
})

test("a key's partition is never negative, also for the smallest hash", () => {
  expect(coordinatorPartition("polygenelubricants", 50)).toBe(0)
  expect(coordinatorPartition("golden-group", 50)).toBe((javaStringHash("golden-group") & 0x7fffffff) % 50)
})
