// An event log in memory that does as it is told: appends succeed at once, wait until released, or fail. It records
// every value it was given and every value it acknowledged, so that a test can compare promises with what was kept.
import { EventLogError } from '../../platform/event-log/event-log.ts';

interface HeldAppend {
  readonly partition: number;
  readonly values: readonly Buffer[];
  acknowledge(): void;
  fail(error: Error): void;
}

export class ScriptedEventLog {
  readonly topicId = 'scripted';
  readonly partitions: number;
  /** What was acknowledged. */
  readonly kept: { readonly partition: number; readonly value: Buffer }[] = [];
  /** Appends that wait for the test while `mode` is "hold". */
  readonly held: HeldAppend[] = [];
  mode: 'keep' | 'hold' | 'fail' = 'keep';
  appends = 0;
  underWayMost = 0;
  private underWay = 0;

  constructor(partitions: number) {
    this.partitions = partitions;
  }

  append(partition: number, values: readonly Buffer[]): Promise<void> {
    this.appends++;
    this.underWay++;
    this.underWayMost = Math.max(this.underWayMost, this.underWay);
    return this.answer(partition, values).finally(() => this.underWay--);
  }

  /** Acknowledges everything held and what comes from now on. */
  release(): void {
    this.mode = 'keep';
    for (const append of this.held.splice(0)) append.acknowledge();
  }

  private answer(partition: number, values: readonly Buffer[]): Promise<void> {
    if (this.mode === 'fail') return Promise.reject(new EventLogError('unavailable', 'the log is away'));
    if (this.mode === 'keep') {
      this.keep(partition, values);
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.held.push({
        partition,
        values,
        acknowledge: () => {
          this.keep(partition, values);
          resolve();
        },
        fail: reject,
      });
    });
  }

  private keep(partition: number, values: readonly Buffer[]): void {
    for (const value of values) this.kept.push({ partition, value });
  }
}
