// A gateway in a process of its own, as small as the chart lets one be, and what a test asks of it: how long it was
// ever busy with one thing, and how much memory it took. Started by `measured-gateway.ts`.
import { startGateway } from '../bad-input/gateway.ts';

/** Since they were asked for last. */
export interface Measures {
  /** CPU time between two turns of the event loop, which took at least as long. */
  readonly longestTurnMs: number;
  readonly residentBytesMax: number;
}

const TICK_MS = 5;

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

let measures: { -readonly [Name in keyof Measures]: number } = { longestTurnMs: 0, residentBytesMax: 0 };
let [tickedAt, usedMs] = [performance.now(), cpuMs()];

// Time on the wall alone would blame the process for what others on the machine do, CPU time alone for its other
// threads.
setInterval(() => {
  const [now, used] = [performance.now(), cpuMs()];
  measures.longestTurnMs = Math.max(measures.longestTurnMs, Math.min(now - tickedAt, used - usedMs) - TICK_MS);
  measures.residentBytesMax = Math.max(measures.residentBytesMax, process.memoryUsage.rss());
  [tickedAt, usedMs] = [now, used];
}, TICK_MS);

const gateway = await startGateway({ ingest: { bodyBytesMax: 10_000_000, queueBytesMax: 256_000_000, lingerMs: 5 } });
process.on('message', () => {
  process.send!(measures);
  measures = { longestTurnMs: 0, residentBytesMax: 0 };
  // What a log would have taken away.
  gateway.log.kept.length = 0;
});
process.send!(gateway.port);
