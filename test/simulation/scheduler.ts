// Virtual time. Everything that happens in a run is an action on one queue; between two actions every promise that can
// settle does, so the code under test runs to its next wait. Nothing reads a real clock, so a seed decides the whole
// run.
import type { Timers } from '../../platform/calls/timers.ts';

export interface Action {
  readonly time: number;
  readonly order: number;
  readonly process: Process | null;
  readonly label: string;
  run: (() => void) | null;
}

/**
 * One life of a process of the system. A crash forgets it: none of its actions run any more. A pause holds them back.
 */
export class Process {
  readonly name: string;
  private readonly scheduler: Scheduler;
  isAlive = true;
  isPaused = false;
  private held: Action[] = [];
  /** How far this machine's clock is off, milliseconds. */
  clockOffsetMs = 0;
  readonly timers: Timers;
  readonly clock: () => number;
  /** Called when a response arrives, before it is looked at: faults that strike between two steps count these. */
  onResponse: (() => void) | null = null;

  constructor(name: string, scheduler: Scheduler) {
    this.name = name;
    this.scheduler = scheduler;
    this.clock = () => scheduler.now + this.clockOffsetMs;
    this.timers = {
      setTimeout: (fn, ms) => scheduler.after(Math.max(1, Math.round(ms)), fn, 'timer', this),
      clearTimeout: (handle) => {
        if (handle !== null && handle !== undefined) (handle as Action).run = null;
      },
    };
  }

  crash(): void {
    this.isAlive = false;
    this.held = [];
  }

  hold(action: Action): void {
    this.held.push(action);
  }

  resume(): void {
    this.isPaused = false;
    const { held } = this;
    this.held = [];
    for (const action of held) {
      const again = (): void => {
        const { run } = action;
        action.run = null;
        run?.();
      };
      this.scheduler.after(0, again, action.label, this);
    }
  }
}

const STEPS_A_TURN = 100;

export class Scheduler {
  now: number;
  private readonly heap: Action[] = [];
  private nextOrder = 0;
  /** Of everything that happened, in order. */
  traceHash = 0x811c9dc5;
  actions = 0;
  /** The last things that happened, in words; null: not recorded. */
  trace: string[] | null = null;

  constructor(startsAt: number) {
    this.now = startsAt;
  }

  after(delayMs: number, run: () => void, label: string, process: Process | null = null): Action {
    const action: Action = { time: this.now + delayMs, order: this.nextOrder++, process, label, run };
    this.push(action);
    return action;
  }

  /** Something of note happened: it becomes part of the trace and of its hash. */
  note(what: string, a = 0, b = 0): void {
    let hash = this.traceHash;
    for (let i = 0; i < what.length; i++) hash = Math.imul(hash ^ what.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ (this.now % 0x7fffffff), 0x01000193);
    hash = Math.imul(hash ^ (a % 0x7fffffff), 0x01000193);
    this.traceHash = Math.imul(hash ^ (b % 0x7fffffff), 0x01000193);
    if (this.trace !== null) this.trace.push(`${new Date(this.now).toISOString()} ${what} ${a} ${b}`);
  }

  /** Runs actions until `isDone` says so (asked before each) or none is left. */
  run(isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const step = (): void => {
        if (isOver) return;
        try {
          const action = isDone() ? null : this.pop();
          if (action === null) {
            isOver = true;
            resolve();
            return;
          }
          this.now = action.time;
          this.perform(action);
        } catch (error) {
          isOver = true;
          reject(error);
        }
      };
      // Every microtask comes before the next immediate, so whatever an action settled has run by then. A turn of
      // Node's loop costs as much as many actions: it holds more than one.
      const turn = (): void => {
        if (isOver) return;
        for (let i = 0; i < STEPS_A_TURN; i++) setImmediate(step);
        setImmediate(turn);
      };
      turn();
    });
  }

  private perform(action: Action): void {
    const { process, run } = action;
    if (run === null) return;
    if (process !== null && !process.isAlive) return;
    if (process?.isPaused === true) {
      process.hold(action);
      return;
    }
    this.actions++;
    this.traceHash = Math.imul(this.traceHash ^ (this.now % 0x7fffffff) ^ (action.order << 7), 0x01000193);
    action.run = null;
    run();
  }

  private push(action: Action): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(action);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(action, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = action;
  }

  /** The next action that was not cancelled. */
  private pop(): Action | null {
    const { heap } = this;
    while (heap.length > 0) {
      const first = heap[0]!;
      const last = heap.pop()!;
      if (heap.length > 0) this.sink(last);
      if (first.run !== null && first.process?.isAlive !== false) return first;
    }
    return null;
  }

  private sink(action: Action): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, action)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = action;
  }
}

const isBefore = (a: Action, b: Action): boolean => (a.time !== b.time ? a.time < b.time : a.order < b.order);
