/**
 * What commits of offsets were asked for and acknowledged, and which offset a reader may find after all of them.
 *
 * A partition's committed offset is a register. A commit that ended before an acknowledged one began can no longer be what
 * is read; one without an answer may have happened or not. So the offset read must be that of a commit which no
 * acknowledged one follows: neither an older one nor one that nobody asked for.
 */
interface Commit {
  readonly offset: number
  readonly began: number
  /** After this step it happens no more; infinite while it may. */
  ended: number
  outcome: "asked" | "acknowledged" | "unknown"
}

export interface FoundOffset {
  readonly group: string
  readonly partition: number
  /** -1: none is committed. */
  readonly offset: number
}

export class CommitHistory {
  acknowledged = 0
  readonly #commits = new Map<string, ReadonlyArray<Commit>>()
  #step = 0
  #reading = false

  /** Fails as `ask` does. */
  async commit(group: string, partition: number, offset: number, ask: () => Promise<unknown>): Promise<void> {
    const key = `${group}/${partition}`
    const commit: Commit = { offset, began: this.#step++, ended: Number.POSITIVE_INFINITY, outcome: "asked" }
    this.#commits.set(key, [...(this.#commits.get(key) ?? []), commit])
    try {
      await ask()
    } catch (failure) {
      commit.outcome = "unknown"
      throw failure
    }
    commit.outcome = "acknowledged"
    commit.ended = this.#step++
    this.acknowledged++
    if (!this.#reading) this.#forget(key)
  }

  /** The broker's process is dead: commits that their clients gave up have happened by now, or never will. */
  brokerEnded(): void {
    for (const commits of this.#commits.values()) {
      for (const commit of commits)
        if (commit.outcome === "unknown" && commit.ended > this.#step) commit.ended = this.#step
    }
    this.#step++
  }

  /** Throws when `read` found an offset that no order of the commits explains. Commits may go on meanwhile. */
  async check(read: () => Promise<ReadonlyArray<FoundOffset>>): Promise<void> {
    this.#reading = true
    const found = await read()
    this.#reading = false
    for (const { group, partition, offset } of found) {
      const key = `${group}/${partition}`
      const commits = this.#commits.get(key) ?? []
      const never = offset === -1 && commits.every(({ outcome }) => outcome !== "acknowledged")
      if (!never && !commits.some((commit) => commit.offset === offset)) {
        const last = commits.map((commit) => `${commit.offset} (${commit.outcome})`).join(", ")
        throw new Error(`${group} is at offset ${offset} of partition ${partition}; its last commits are ${last}`)
      }
      this.#forget(key)
    }
  }

  #forget(key: string): void {
    const commits = this.#commits.get(key)
    if (commits === undefined) return
    let lastBegan = -1
    for (const { outcome, began } of commits) if (outcome === "acknowledged") lastBegan = Math.max(lastBegan, began)
    this.#commits.set(
      key,
      commits.filter(({ ended }) => ended >= lastBegan)
    )
  }
}
