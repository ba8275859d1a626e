// Ends the process when one execution does not come to its end, and says with which input: a loop that never ends can't
// be told from within its own thread.
import { Worker } from 'node:worker_threads';
import { INPUT_BYTES_MAX } from './mutation.ts';

const HANG_MS = 10_000;

// Plain JavaScript in a text, so that it starts from sources and from compiled files alike.
const WATCH = `
  const { workerData } = require('node:worker_threads');
  const { writeSync } = require('node:fs');
  const state = new Int32Array(workerData.shared, 0, 2);
  const input = Buffer.from(workerData.shared, 8);
  let last = -1;
  setInterval(() => {
    const now = Atomics.load(state, 0);
    if (now === last && state[1] >= 0) {
      const bytes = input.subarray(0, state[1]).toString('base64');
      writeSync(2, workerData.name + ': an execution did not end within ' + workerData.hangMs + ' ms; its input in base64: ' + bytes + '\\n');
      process.kill(process.pid, 'SIGKILL');
    }
    last = now;
  }, workerData.hangMs);
`;

export interface Watchdog {
  /** Before every execution. */
  begin(input: Buffer): void;
  /** While nothing is executed. */
  pause(): void;
  stop(): Promise<number>;
}

export function startWatchdog(name: string): Watchdog {
  const shared = new SharedArrayBuffer(8 + INPUT_BYTES_MAX);
  const state = new Int32Array(shared, 0, 2);
  const copy = new Uint8Array(shared, 8);
  state[1] = -1;
  const worker = new Worker(WATCH, { eval: true, workerData: { name, shared, hangMs: HANG_MS } });
  worker.unref();
  return {
    begin(input) {
      copy.set(input);
      state[1] = input.length;
      Atomics.add(state, 0, 1);
    },
    pause() {
      state[1] = -1;
    },
    stop: () => worker.terminate(),
  };
}
