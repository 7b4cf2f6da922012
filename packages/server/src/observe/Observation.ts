/**
 * What the node knows about itself: one service through which the floors write and operators read.
 *
 * Plain numbers and preallocated rings, written on the hot path without an Effect; formatting happens when somebody asks.
 */
import { Context, Layer } from "effect"
import { Recorder } from "./Recorder.ts"

export class Observation extends Context.Service<Observation, { readonly recorder: Recorder }>()(
  "chronik/Observation"
) {
  static readonly layer = Layer.sync(Observation, () => Observation.of({ recorder: new Recorder() }))
}
