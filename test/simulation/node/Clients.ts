/** The way between virtual clients and simulated nodes: requests and answers that take their time, or get lost. */
import type { Kernel } from "../kernel/Kernel.ts"
import type { Options } from "../kernel/Options.ts"
import type { ClientAnswer, ClientPort, ClientRequest } from "../workload/ClientPort.ts"
import type { SimNode } from "./SimNode.ts"

export const clientPort = (kernel: Kernel, nodes: ReadonlyArray<SimNode>, options: Options): ClientPort => {
  const random = kernel.stream("client connections")
  const delayMs = () => options.delayMs * random.fraction() + options.jitterMs * random.fraction() * random.fraction()
  /** Calls `arrive` later, or never. */
  const travel = (label: string, arrive: () => void) => {
    if (!random.chance(options.lossChance)) kernel.after(delayMs(), label, arrive)
  }
  return {
    nodes: nodes.map(({ node }) => node),
    ask: (_client: number, node: number, request: ClientRequest, onAnswer: (answer: ClientAnswer) => void) => {
      const target = nodes[node - 1]!
      travel(`client asks ${node}`, () => {
        let answered = false
        target.request(request, (answer) => {
          if (answered) return
          answered = true
          travel(`${node} answers`, () => onAnswer(answer))
        })
      })
    }
  }
}
