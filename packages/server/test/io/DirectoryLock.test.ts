import { spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { lockAt, lockDirectory } from "@chronik-effect/server/io/DirectoryLock.ts"
import { expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"

const LOCK = fileURLToPath(new URL("../../src/io/DirectoryLock.ts", import.meta.url))

const directory = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "chronik-lock-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)

/** Another process that holds the lock until it is killed. */
const holder = (held: string, lock = `lockDirectory(${JSON.stringify(held)})`) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const program = `import { Effect } from "effect"; import { lockAt, lockDirectory } from ${JSON.stringify(LOCK)}
        setInterval(() => {}, 1000)
        await Effect.runPromise(Effect.scoped(Effect.andThen(${lock}, Effect.sync(() => console.log("locked")).pipe(Effect.andThen(Effect.never)))))`
      const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
        cwd: path.dirname(LOCK),
        stdio: ["ignore", "pipe", "inherit"]
      })
      await once(child.stdout, "data")
      return child
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

it.live("a second process is refused, told who holds it, and let in when the holder is killed", () =>
  Effect.gen(function* () {
    const held = yield* directory
    const child = yield* holder(held)
    const error = yield* Effect.flip(Effect.scoped(lockDirectory(held)))
    expect(error).toMatchObject({ _tag: "DirectoryLocked", pid: child.pid })
    expect(error.message).toContain(held)
    expect(error.message).toContain(`process ${child.pid}`)
    const exited = once(child, "exit")
    child.kill("SIGKILL")
    yield* Effect.promise(() => exited)
    yield* Effect.scoped(lockDirectory(held))
  })
)

it.live("the same directory by another path is the same lock, another directory is not", () =>
  Effect.gen(function* () {
    const held = yield* directory
    const other = yield* directory
    const link = path.join(other, "link")
    fs.symlinkSync(held, link)
    yield* lockDirectory(held)
    expect(yield* Effect.flip(Effect.scoped(lockDirectory(link)))).toMatchObject({ pid: process.pid })
    yield* Effect.scoped(lockDirectory(other))
  })
)

it.live("the scope's end frees it, and a directory that does not exist is a failure of its own", () =>
  Effect.gen(function* () {
    const held = yield* directory
    for (let i = 0; i < 3; i++) yield* Effect.scoped(lockDirectory(held))
    expect((yield* Effect.flip(Effect.scoped(lockDirectory(`${held}/none`))))._tag).toBe("LockImpossible")
  })
)

it.live("where the lock is a file, a dead process's file is taken over by one of those who want it", () =>
  Effect.gen(function* () {
    const held = yield* directory
    const address = { kind: "file", name: path.join(held, "lock.sock") } as const
    const lock = lockAt(held, address)
    const child = yield* holder(held, `lockAt(${JSON.stringify(held)}, ${JSON.stringify(address)})`)
    expect(yield* Effect.flip(Effect.scoped(lock))).toMatchObject({ _tag: "DirectoryLocked", pid: child.pid })
    const exited = once(child, "exit")
    child.kill("SIGKILL")
    yield* Effect.promise(() => exited)
    expect(fs.existsSync(address.name)).toBe(true)
    const outcomes = yield* Effect.all(
      Array.from({ length: 4 }, () => Effect.exit(lock)),
      { concurrency: "unbounded" }
    )
    expect(outcomes.filter(Exit.isSuccess).length).toBe(1)
  })
)
