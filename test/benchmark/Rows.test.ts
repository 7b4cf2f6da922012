import { expect, it } from "vitest"
import { headline, median, parseFigures, ROWS } from "./Rows.ts"

it("reads what the generators print", () => {
  const line = "conns64 pl1 100Bx1 req_s=71648 msg_s=71648 MBps=12.0 p50us=674 lg_cpu=0.31 errors=2 last_error=-1"
  expect(parseFigures(line)).toEqual({
    req_s: 71_648,
    msg_s: 71_648,
    MBps: 12,
    p50us: 674,
    lg_cpu: 0.31,
    errors: 2,
    last_error: -1
  })
  expect(parseFigures("")).toEqual({})
})

it("takes the middle of the rounds", () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(median([])).toBeNaN()
})

it("compares each row by the figure its target names", () => {
  const named = Object.fromEntries(ROWS.map((row) => [row.title, headline(row).name]))
  expect(named).toMatchObject({
    "produce 1 x 1, 100 B": "p50us",
    "produce 64 x 1, 100 B": "req_s",
    "produce 64 x 5, 100 x 100 B": "MBps",
    "fetch 16, 1 MiB answers": "MBps",
    "end to end, 100 B": "p50us"
  })
})
