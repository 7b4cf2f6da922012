/**
 * Which segment files of a partition may go: a plan, made of numbers only.
 *
 * Kafka's rules: whole segments from the front; by time while the largest timestamp of the segment is older than
 * `retention.ms`; by size while the log without the segment is still at least `retention.bytes`; whatever lies wholly below
 * the log start offset. Never anything at or beyond `endOffset` (the high watermark). The part of the log that is still in
 * the WAL is the newest "segment" here.
 */
export interface RetentionSegment {
  readonly baseOffset: number
  readonly endOffset: number
  readonly bytes: number
  /** -1 when no record has a timestamp; then the age is unknown. */
  readonly maxTimestamp: number
}

export interface RetentionLimits {
  /** -1: no limit. */
  readonly retentionMs: number
  /** -1: no limit. */
  readonly retentionBytes: number
}

/** The log start offset after retention: the end of the last segment that goes, or `logStartOffset` when none goes. */
export const planRetention = (
  segments: ReadonlyArray<RetentionSegment>,
  logStartOffset: number,
  endOffset: number,
  limits: RetentionLimits,
  nowMillis: number
): number => {
  let total = 0
  for (const segment of segments) total += segment.bytes
  let start = logStartOffset
  let excess = limits.retentionBytes < 0 ? -1 : total - limits.retentionBytes
  for (const segment of segments) {
    if (segment.endOffset > endOffset) break
    const below = segment.endOffset <= logStartOffset
    const expired =
      limits.retentionMs >= 0 && segment.maxTimestamp >= 0 && nowMillis - segment.maxTimestamp > limits.retentionMs
    const oversize = excess >= segment.bytes && segment.bytes > 0
    if (!below && !expired && !oversize) break
    excess -= segment.bytes
    start = Math.max(start, segment.endOffset)
  }
  return start
}
