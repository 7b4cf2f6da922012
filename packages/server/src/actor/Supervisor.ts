/**
 * The one way to start a long-lived fiber.
 *
 * A forked fiber fails silently in Effect. Everything that is to live as long as the node (or a partition, a listener, a
 * peer) is started here instead: its failure is logged with its cause, counted, and answered by the restart policy. Before
 * a restart `onDown` runs, so that an actor can complete the waiters that its last incarnation left behind.
 *
 * It deliberately knows nothing of mailboxes: a mailbox outlives the fiber that reads it and belongs to its actor.
 */
import { Cause, Duration, Effect, Exit, type Fiber, type Scope } from "effect"

export interface SupervisedOptions {
  /** Shown in logs, metrics and thread dumps: `partition orders-3`. */
  readonly name: string
  /**
   * `always`: restarted for ever with a backoff (replicators, listeners). `{ max }`: after that many defects within
   * a minute `onGiveUp` decides. `never`: the first failure is final.
   */
  readonly restart: "always" | "never" | { readonly max: number }
  /** Runs after each failure, before the restart: complete what the dead incarnation owed. Must not throw. */
  readonly onDown?: (cause: Cause.Cause<unknown>) => void
  /** Runs once when no restart follows a failure. */
  readonly onGiveUp?: (cause: Cause.Cause<unknown>) => Effect.Effect<void>
}

const WINDOW_MS = 60_000
const BACKOFF_MS_MIN = 50
const BACKOFF_MS_MAX = 1_000

/** Restarts of supervised fibers since the process began, by fiber name; read by metrics and by tests. */
export const restarts: Map<string, number> = new Map()

const counted = (name: string) => restarts.set(name, (restarts.get(name) ?? 0) + 1)

/** Starts `run` in the current scope under the given policy. `run` that ends with success is not restarted. */
export const supervise = <E, R>(
  options: SupervisedOptions,
  run: Effect.Effect<unknown, E, R>
): Effect.Effect<Fiber.Fiber<void>, never, R | Scope.Scope> =>
  Effect.forkScoped(watch(options, run), { startImmediately: true })

const watch = Effect.fnUntraced(function* <E, R>(options: SupervisedOptions, run: Effect.Effect<unknown, E, R>) {
  const failures: Array<number> = []
  while (true) {
    const exit = yield* Effect.exit(run)
    if (Exit.isSuccess(exit)) return
    if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt
    options.onDown?.(exit.cause)
    counted(options.name)
    // Not the wall clock: a jump of it must not make old failures new.
    const now = yield* Effect.clockWith((clock) => Effect.succeed(Number(clock.monotonicTimeNanosUnsafe()) / 1e6))
    while (failures.length > 0 && failures[0]! < now - WINDOW_MS) failures.shift()
    failures.push(now)
    const final = options.restart === "never" || (options.restart !== "always" && failures.length > options.restart.max)
    yield* Effect.logError(
      `The fiber "${options.name}" died${final ? " and is not restarted" : "; it is restarted"}: ${Cause.pretty(exit.cause)}`
    )
    if (final) {
      if (options.onGiveUp !== undefined) yield* options.onGiveUp(exit.cause)
      return
    }
    yield* Effect.sleep(Duration.millis(Math.min(BACKOFF_MS_MIN * 2 ** (failures.length - 1), BACKOFF_MS_MAX)))
  }
})
