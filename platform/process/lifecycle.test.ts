import { describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { runStages } from './lifecycle.ts';
import type { Stage } from './stage.ts';

const logger = pino({ level: 'silent' });
const signals = ['SIGUSR2'] as const;
// As the system would deliver it; jest gives a test a copy of the process, which real signals do not reach.
const receiveSignal = (): boolean => process.emit('SIGUSR2', 'SIGUSR2');

class FakeStage implements Stage {
  readonly name: string;
  readonly failed: Promise<never>;
  private readonly stopStage: () => Promise<void>;
  fail: (error: Error) => void = () => {};

  constructor(name: string, stop: () => Promise<void>) {
    this.name = name;
    this.stopStage = stop;
    this.failed = new Promise((_, reject) => {
      this.fail = reject;
    });
  }
  notReady(): null {
    return null;
  }
  stop(): Promise<void> {
    return this.stopStage();
  }
}

describe('runStages', () => {
  it('drains in order on a signal and ends with 0', async () => {
    const order: string[] = [];
    const stages = ['a', 'b'].map((name) => new FakeStage(name, async () => void order.push(name)));
    const status = runStages(stages, logger, { signals });
    receiveSignal();
    expect(await status).toBe(0);
    expect(order).toEqual(['a', 'b']);
  });

  it('drains the others and ends with 1 when a stage fails', async () => {
    const order: string[] = [];
    const stages = ['a', 'b'].map((name) => new FakeStage(name, async () => void order.push(name)));
    const status = runStages(stages, logger, { signals });
    stages[1]!.fail(new Error('the topic is gone'));
    expect(await status).toBe(1);
    expect(order).toEqual(['a', 'b']);
  });

  it('ends with 1 when the drain takes longer than allowed, or fails', async () => {
    const hanging = new FakeStage('a', () => new Promise(() => {}));
    const overdue = runStages([hanging], logger, { signals, drainTimeoutMs: 10 });
    receiveSignal();
    expect(await overdue).toBe(1);
    const failing = new FakeStage('a', () => Promise.reject(new Error('no')));
    const failed = runStages([failing], logger, { signals });
    receiveSignal();
    expect(await failed).toBe(1);
  });
});
