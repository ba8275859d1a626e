import { describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { Keeper, type Running } from './keeper.ts';

const logger = pino({ level: 'silent' });
const options = { pauseMinMs: 1, pauseMaxMs: 2 };

class FakeProcess implements Running {
  readonly pid: number;
  readonly failed: Promise<never>;
  stopped = 0;
  fail: (error: Error) => void = () => {};

  constructor(pid: number) {
    this.pid = pid;
    this.failed = new Promise((_, reject) => {
      this.fail = reject;
    });
  }

  async stop(): Promise<void> {
    this.stopped += 1;
  }
}

/** Hands out processes and lets a test wait for the n-th. */
class Factory {
  readonly made: FakeProcess[] = [];
  readonly running: FakeProcess[] = [];
  failures = 0;
  private waiting: { count: number; resolve: () => void }[] = [];

  readonly start = async (): Promise<FakeProcess> => {
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('no start');
    }
    const made = new FakeProcess(this.made.length + 1);
    this.made.push(made);
    return made;
  };

  readonly onRunning = (process: FakeProcess): void => {
    this.running.push(process);
    for (const { count, resolve } of this.waiting) if (this.running.length >= count) resolve();
  };

  untilRunning(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.running.length >= count) resolve();
      else this.waiting.push({ count, resolve });
    });
  }
}

describe('Keeper', () => {
  it('starts a process again when it ends, also when a start fails in between', async () => {
    const factory = new Factory();
    const keeper = await Keeper.start('x', factory.start, logger, factory.onRunning, options);
    factory.failures = 2;
    factory.made[0]!.fail(new Error('killed'));
    await factory.untilRunning(2);
    expect(factory.running.map(({ pid }) => pid)).toEqual([1, 2]);
    await keeper.stop();
    expect(factory.made.map(({ stopped }) => stopped)).toEqual([0, 1]);
  });

  it('leaves the first failure to the caller', async () => {
    const factory = new Factory();
    factory.failures = 1;
    await expect(Keeper.start('x', factory.start, logger, factory.onRunning, options)).rejects.toThrow('no start');
  });

  it('starts nothing more once it is stopped, and stops what was just starting', async () => {
    const factory = new Factory();
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let starts = 0;
    let secondStart: () => void = () => {};
    const atSecondStart = new Promise<void>((resolve) => {
      secondStart = resolve;
    });
    const start = async (): Promise<FakeProcess> => {
      starts += 1;
      if (starts === 2) {
        secondStart();
        await gate;
      }
      return factory.start();
    };
    const keeper = await Keeper.start('x', start, logger, factory.onRunning, options);
    factory.made[0]!.fail(new Error('killed'));
    await atSecondStart;
    const stopped = keeper.stop();
    release();
    await stopped;
    expect(factory.running.map(({ pid }) => pid)).toEqual([1]);
    expect(factory.made[1]!.stopped).toBe(1);
  });
});
