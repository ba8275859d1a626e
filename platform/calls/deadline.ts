// Bounds the wait for an answer. What was asked for may still happen afterwards.

/** Rejects with what `late` makes when `work` has not settled within `timeoutMs`. */
export function withDeadline<Result>(work: Promise<Result>, timeoutMs: number, late: () => Error): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
