// The time that a request may take, shared by everything it waits for: its turn and every call to a store. What is left
// of it is the deadline of the next call; once it is spent, or the client is gone, nothing is waited for any longer.

/** The budget was spent before this store had answered, or before the request's turn came. */
export class BudgetSpent extends Error {
  /** What was waited for: any of these. */
  readonly waitedFor: readonly string[];

  constructor(waitedFor: readonly string[], totalMs: number) {
    super(`no answer of ${waitedFor.join(', ')} within the ${totalMs} ms of the request`);
    this.name = 'BudgetSpent';
    this.waitedFor = waitedFor;
  }
}

/** Whoever sent the request does not wait for its answer any more. */
export class ClientGone extends Error {
  constructor() {
    super('the client has closed its connection');
    this.name = 'ClientGone';
  }
}

export class RequestBudget {
  private readonly totalMs: number;
  private readonly endsAt: number;
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private isGone = false;

  constructor(totalMs: number) {
    this.totalMs = totalMs;
    this.endsAt = performance.now() + totalMs;
    this.timer = setTimeout(() => this.controller.abort(), totalMs);
  }

  /** Fires once nothing is to be waited for any longer. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** At least a millisecond: a deadline of none would be no deadline to many a client library. */
  get leftMs(): number {
    return Math.max(1, this.endsAt - performance.now());
  }

  /**
   * Settles as `work` does; rejects once the budget is spent or the client is gone. `waitedFor`: as an operator calls
   * it.
   */
  within<Result>(waitedFor: string | readonly string[], work: () => Promise<Result>): Promise<Result> {
    const { signal } = this;
    const why = (): Error => (this.isGone ? new ClientGone() : new BudgetSpent([waitedFor].flat(), this.totalMs));
    if (signal.aborted) return Promise.reject(why());
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(why());
      signal.addEventListener('abort', giveUp, { once: true });
      // Of a call that is given up, only the first reason counts.
      work()
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', giveUp));
    });
  }

  clientGone(): void {
    this.isGone = true;
    this.controller.abort();
  }

  /** The request has its answer. */
  end(): void {
    clearTimeout(this.timer);
  }
}

/** `work` with a budget of its own: for what no single request waits for. */
export async function withinBudget<Result>(
  totalMs: number,
  work: (budget: RequestBudget) => Promise<Result>,
): Promise<Result> {
  const budget = new RequestBudget(totalMs);
  try {
    return await work(budget);
  } finally {
    budget.end();
  }
}
