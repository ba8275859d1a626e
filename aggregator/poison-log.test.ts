import { expect, it } from '@jest/globals';
import pino from 'pino';
import type { RejectedEvent } from './core/partition-state.ts';
import { PoisonLog } from './poison-log.ts';

const reject = (offset: number, more: Partial<RejectedEvent> = {}): RejectedEvent => ({
  offset,
  index: 0,
  decidedAt: 0,
  outcome: 'poison',
  code: 'malformed_record',
  message: 'not Avro',
  event: null,
  bytes: Buffer.alloc(0),
  ...more,
});

function setUp() {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { lines, log: new PoisonLog(logger.child({ partition: 3 })) };
}

it('names the place and the reason of each', () => {
  const { lines, log } = setUp();
  log.report(7, [reject(40), reject(41, { outcome: 'conflict' }), reject(42, { index: 5, message: 'x'.repeat(1000) })]);
  expect(lines).toMatchObject([
    { level: 40, partition: 3, chunk: 7, offset: 40, index: 0, code: 'malformed_record', reason: 'not Avro' },
    { partition: 3, offset: 42, index: 5, reason: 'x'.repeat(300) },
  ]);
  expect(lines).toHaveLength(2);
});

it('cuts a flood short, chunk by chunk, and says how much it left out', () => {
  const { lines, log } = setUp();
  for (let flush = 0; flush < 10; flush++)
    log.report(
      1,
      Array.from({ length: 500 }, (_, index) => reject(flush * 500 + index)),
    );
  expect(lines).toHaveLength(10);
  log.report(2, [reject(5_000)]);
  expect(lines.slice(10)).toMatchObject([
    { chunk: 1, more: 4_990 },
    { chunk: 2, offset: 5_000 },
  ]);
  log.end();
  expect(lines).toHaveLength(12);
});
