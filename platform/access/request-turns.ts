// The turns of requests that cost a store something: each waits at a gate until it is its turn, for no longer than a
// part of its time, and is told why where its turn does not come.
import { Problem, retryAfter } from '../../domain/problem.ts';
import { type GateBounds, type Turn, TurnGate, type TurnRefusal } from '../../domain/requests/turn-gate.ts';
import { withDeadline } from '../calls/deadline.ts';
import type { RequestBudget } from '../calls/request-budget.ts';
import type { Identity } from './keyring.ts';

const WAITING_OF_KEY_MAX = 64;
const WAITING_MAX = 512;
const RETRY_AFTER_S = 2;

/** As the gate says; `turn`: it waited too long. */
export type TurnFailure = TurnRefusal | 'turn';

/** What a request is told. `what`: `reads`, and its plural. */
const refusals = (what: string): Readonly<Record<TurnFailure, readonly ['rate_limited' | 'overloaded', string]>> => ({
  key: ['rate_limited', `As many ${what} of this API key as may wait do so already. Send fewer at once.`],
  all: ['overloaded', `As many ${what} as may wait do so already. Send the request again.`],
  turn: ['overloaded', `Other ${what} came first for too long. Send the request again.`],
});

export interface TurnOptions {
  /** Requests that run at once. */
  readonly places: number;
  /** One that began later would be given up before it is done. */
  readonly turnTimeoutMs: number;
  /** In words, and in the plural. */
  readonly what: string;
  readonly onRefused: (why: TurnFailure) => void;
}

export class RequestTurns {
  readonly gate: TurnGate;
  private readonly options: TurnOptions;

  constructor(options: TurnOptions) {
    const bounds: GateBounds = {
      places: options.places,
      waitingOfKeyMax: WAITING_OF_KEY_MAX,
      waitingMax: WAITING_MAX,
    };
    this.gate = new TurnGate(bounds);
    this.options = options;
  }

  /** Does the work when its turn comes. Throws a `Problem` where it does not. */
  async inTurn<Result>(reader: Identity, budget: RequestBudget, work: () => Promise<Result>): Promise<Result> {
    let start = (): void => {};
    const started = new Promise<void>((resolve) => {
      start = resolve;
    });
    const turn: Turn = { reader, start: () => start() };
    const refusal = this.gate.enter(turn);
    if (refusal !== null) throw this.refusal(refusal);
    try {
      const overdue = (): Problem => this.refusal('turn');
      await budget.within('its turn', () => withDeadline(started, this.options.turnTimeoutMs, overdue));
      return await work();
    } finally {
      this.gate.leave(turn);
    }
  }

  private refusal(why: TurnFailure): Problem {
    this.options.onRefused(why);
    const [code, detail] = refusals(this.options.what)[why];
    return new Problem(code, detail, { headers: retryAfter(RETRY_AFTER_S) });
  }
}
