/**
 * Runs a command's program with a Kafka client, and turns the client's errors into sentences for the terminal.
 */
import type { ClientError } from "@chronik-effect/server/client/kafka/ClientError.ts"
import { type KafkaClient, makeKafkaClient, parseBootstrap } from "@chronik-effect/server/client/kafka/KafkaClient.ts"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { Parsed } from "../args/Command.ts"
import { CliFailure, EXIT_FAILED, usage } from "../CliFailure.ts"
import { readInt } from "../settings/Setting.ts"

const DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
const DEFAULT_TIMEOUT_SECONDS = "30"

export function bootstrapOf(parsed: Parsed): string {
  const text = parsed.flags.get("bootstrap-server")?.[0] ?? process.env.CHRONIK_BOOTSTRAP_SERVER ?? DEFAULT_BOOTSTRAP
  if (parseBootstrap(text) === undefined) {
    throw usage(`--bootstrap-server is "${text}", but it is host:port, several with commas: 127.0.0.1:9092.`)
  }
  return text
}

export function timeoutOf(parsed: Parsed): number {
  const text = parsed.flags.get("timeout")?.[0] ?? DEFAULT_TIMEOUT_SECONDS
  return 1_000 * readInt(text, "--timeout", 1, 3_600, "a number of seconds")
}

/** Runs until done or until the first signal, which interrupts the program and lets it clean up; the second one ends it. */
export async function withClient<A>(
  parsed: Parsed,
  program: (client: KafkaClient) => Effect.Effect<A, ClientError | CliFailure, Scope.Scope>
): Promise<A> {
  const bootstrap = bootstrapOf(parsed)
  const abort = new AbortController()
  const onSignal = () => {
    if (abort.signal.aborted) process.exit(130)
    abort.abort()
  }
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)
  const timeoutMs = timeoutOf(parsed)
  const exit = await Effect.runPromiseExit(
    Effect.scoped(Effect.flatMap(makeKafkaClient({ bootstrap, timeoutMs, clientId: "chronik-effect-cli" }), program)),
    { signal: abort.signal }
  )
  process.off("SIGINT", onSignal)
  process.off("SIGTERM", onSignal)
  if (Exit.isSuccess(exit)) return exit.value
  if (Cause.hasInterruptsOnly(exit.cause)) throw new CliFailure("Interrupted.", 130)
  const error = Cause.squash(exit.cause)
  if (error instanceof CliFailure) throw error
  throw isClientError(error) ? new CliFailure(sentence(error, bootstrap), EXIT_FAILED, { cause: error }) : error
}

const isClientError = (error: unknown): error is ClientError =>
  error instanceof Error && "_tag" in error && error._tag === "ClientError"

const sentence = (error: ClientError, bootstrap: string): string =>
  error.kind === "connect"
    ? `${error.message} Is a broker running at ${bootstrap}? Start one with "chronik-effect serve", or name another with --bootstrap-server.`
    : error.message.endsWith(".")
      ? error.message
      : `${error.message}.`
