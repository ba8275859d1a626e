// One call at a time. What is asked for while a call is under way waits for it, and goes into the next call together:
// for calls that cost little more for many than for one.

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export class JoinedCalls<Item, Result> {
  private readonly call: (items: readonly Item[]) => Promise<readonly Result[]>;
  private readonly howMany: (waiting: readonly Item[]) => number;
  private readonly waiting: Waiting<Item, Result>[] = [];
  private isCalling = false;

  /**
   * `call` gives a result for each item. `howMany` of those that wait go into the next call: at least one; left out,
   * all.
   */
  constructor(
    call: (items: readonly Item[]) => Promise<readonly Result[]>,
    howMany: (waiting: readonly Item[]) => number = ({ length }) => length,
  ) {
    this.call = call;
    this.howMany = howMany;
  }

  /** Rejects as the call does that it went into. */
  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (!this.isCalling) void this.callAll();
    });
  }

  private async callAll(): Promise<void> {
    this.isCalling = true;
    while (this.waiting.length > 0) {
      const taken = this.waiting.splice(0, this.howMany(this.waiting.map(({ item }) => item)));
      try {
        const results = await this.call(taken.map(({ item }) => item));
        for (const [i, { resolve }] of taken.entries()) resolve(results[i]!);
      } catch (error) {
        for (const { reject } of taken) reject(error);
      }
    }
    this.isCalling = false;
  }
}
