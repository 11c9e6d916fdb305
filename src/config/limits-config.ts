/** What one request, and all of them together, may ask for. */
export interface LimitsConfig {
  readonly maxRows: number;
  readonly maxFeatures: number;
  /** Rows times features. */
  readonly maxCells: number;
  readonly maxRequestBytes: number;
  readonly maxResponseBytes: number;
  /** Requests in work at once, and reads that wait for their turn; one more is refused. */
  readonly maxConcurrentRequests: number;
  /** How long reads may wait for their turn in an overload; 0 = as short as it goes. */
  readonly admissionLatencyMs: number;
  /** So many reads, in work or waiting, are never an overload. */
  readonly admissionMinRequests: number;
  /** Of the messages of reads that wait for their turn. */
  readonly maxWaitingBytes: number;
  /** Of rows on their way to the online store, over all writes; one more write is refused. */
  readonly maxPendingWriteBytes: number;
  /** Materializations over HTTP at once; further ones wait. */
  readonly maxMaterializations: number;
  readonly planCacheBytes: number;
}
