// Calls from a process to a store. A call travels, is served, and its response travels back; faults strike on either
// way. The store goes on with what it was sent even where the caller has given up, is paused, or is dead.
import type { Random } from '../../domain/random.ts';
import type { Process, Scheduler } from './scheduler.ts';

/** What goes wrong with one call. */
export type CallFault =
  /** Refused at once; nothing is done. */
  | 'refuse'
  /** Lost on the way there; the caller gives up after a while. */
  | 'lose_request'
  /** Done, but the caller never learns. */
  | 'lose_response'
  /** The caller gives up, and it is done only then. */
  | 'late';

export interface CallErrors {
  refused(): Error;
  /** No answer came: it may have been done or not. */
  unanswered(): Error;
}

/** `afterMs`: the store needs that long before it answers. */
type Reply<Result> = (outcome: { readonly value: Result } | { readonly error: unknown }, afterMs?: number) => void;

interface OpenCall {
  die(): void;
}

/** The way to one store. */
export class Network {
  private readonly scheduler: Scheduler;
  private readonly random: Random;
  private readonly errors: CallErrors;
  readonly name: string;
  private readonly open = new Set<OpenCall>();
  /** Until then every call is refused. */
  awayUntil = 0;
  /** Faults of the next calls, by what is called ('' for any): each strikes once. */
  private readonly armed: { readonly what: string; readonly fault: CallFault }[] = [];

  constructor(name: string, scheduler: Scheduler, random: Random, errors: CallErrors) {
    this.name = name;
    this.scheduler = scheduler;
    this.random = random;
    this.errors = errors;
  }

  arm(what: string, fault: CallFault): void {
    this.armed.push({ what, fault });
  }

  disarm(): void {
    this.armed.length = 0;
    this.awayUntil = 0;
  }

  latency(): number {
    const { random } = this;
    const kind = random.next();
    if (kind < 0.9) return random.int(1, 20);
    return kind < 0.985 ? random.int(20, 500) : random.int(500, 9_000);
  }

  private takeFault(what: string): CallFault | null {
    const at = this.armed.findIndex((each) => each.what === '' || what.startsWith(each.what));
    return at === -1 ? null : this.armed.splice(at, 1)[0]!.fault;
  }

  /** The store's server is gone at once: calls under way get no answer. Those that were not served are never. */
  crash(): void {
    for (const call of [...this.open]) call.die();
  }

  /**
   * `serve` does it, at the store, and replies now or later. `mayFault`: false for a call that no armed fault is for.
   */
  call<Result>(process: Process, what: string, serve: (reply: Reply<Result>) => void): Promise<Result> {
    const { scheduler } = this;
    return new Promise<Result>((resolve, reject) => {
      let isServed = false;
      let isSettled = false;
      const settle = (run: () => void): void => {
        if (isSettled) return;
        isSettled = true;
        this.open.delete(call);
        process.onResponse?.();
        if (process.isAlive && !process.isPaused) run();
        else if (process.isAlive) scheduler.after(0, run, what, process);
      };
      const giveUp = (afterMs: number): void => {
        scheduler.after(afterMs, () => settle(() => reject(this.errors.unanswered())), what, process);
      };
      const call: OpenCall = {
        die: () => {
          isServed = true;
          this.open.delete(call);
          giveUp(this.random.int(1, 50));
        },
      };
      this.open.add(call);
      const serveAt = (delayMs: number, answer: boolean): void => {
        scheduler.after(
          delayMs,
          () => {
            if (isServed) return;
            isServed = true;
            if (scheduler.now < this.awayUntil) {
              if (answer)
                scheduler.after(this.latency(), () => settle(() => reject(this.errors.refused())), what, process);
              return;
            }
            serve((outcome, afterMs = 0) => {
              if (!answer) return;
              scheduler.after(
                afterMs + this.latency(),
                () => settle(() => ('error' in outcome ? reject(outcome.error) : resolve(outcome.value))),
                what,
                process,
              );
            });
          },
          what,
        );
      };
      const fault = this.takeFault(what);
      if (fault !== null) scheduler.note(`${this.name}: ${what} ${fault}`);
      const timeoutMs = fault === null ? 0 : this.random.spread(200, 90_000);
      switch (fault) {
        case null:
          return serveAt(this.latency(), true);
        case 'refuse':
          scheduler.after(this.latency(), () => settle(() => reject(this.errors.refused())), what, process);
          return;
        case 'lose_request':
          return giveUp(timeoutMs);
        case 'lose_response':
          serveAt(this.latency(), false);
          return giveUp(timeoutMs);
        case 'late':
          giveUp(timeoutMs);
          return serveAt(timeoutMs + this.random.spread(10, 600_000), false);
      }
    });
  }
}
