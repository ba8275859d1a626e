import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { traceTotals } from '../test/support/trace.ts';
import { readTrace, TRACE_HEADER, traceEvents } from './trace.ts';

const dir = mkdtempSync(join(tmpdir(), 'tallyline-trace-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = (name: string, ...lines: string[]): string => {
  const path = join(dir, name);
  writeFileSync(path, lines.join('\r\n'));
  return path;
};

const rule = { models: ['m-large', 'm-small'], subjects: ['a', 'b', 'c'], endAt: Date.parse('2026-11-20T12:30:00Z') };
const path = file(
  'good.csv',
  TRACE_HEADER,
  '2023-11-16 18:17:03.9799600,4808,10',
  '2023-11-16 18:59:59.9999999,3180,8',
  '2023-11-16 19:00:00,110,27',
  '2023-11-16 19:29:59.5,7433,14',
);

describe('trace', () => {
  it('becomes one event a row, moved by whole hours to before the given end, spread by the stated rule', () => {
    const events = traceEvents(readTrace(path), rule);
    expect(
      events.map(({ id, subject, time, data }) => [id, subject, new Date(time).toISOString(), ...Object.values(data)]),
    ).toEqual([
      ['trace-0', 'a', '2026-11-20T11:17:03.979Z', 'm-large', 4808, 10],
      ['trace-1', 'a', '2026-11-20T11:59:59.999Z', 'm-small', 3180, 8],
      ['trace-2', 'b', '2026-11-20T12:00:00.000Z', 'm-large', 110, 27],
      ['trace-3', 'b', '2026-11-20T12:29:59.500Z', 'm-small', 7433, 14],
    ]);
  });

  it('has totals by model and hour, taken from the file', () => {
    const eleven = Date.parse('2026-11-20T11:00:00Z');
    const twelve = Date.parse('2026-11-20T12:00:00Z');
    expect(traceTotals(path, rule)).toEqual([
      { model: 'm-large', hourStart: eleven, inputTokens: 4808n, outputTokens: 10n, events: 1 },
      { model: 'm-small', hourStart: eleven, inputTokens: 3180n, outputTokens: 8n, events: 1 },
      { model: 'm-large', hourStart: twelve, inputTokens: 110n, outputTokens: 27n, events: 1 },
      { model: 'm-small', hourStart: twelve, inputTokens: 7433n, outputTokens: 14n, events: 1 },
    ]);
  });

  it.each([
    ['another header', ['time,in,out'], /:1: expected the header/],
    ['a bad row', [TRACE_HEADER, '2023-11-16 18:17:03,1,2', '2023-11-16 18:17:03,1'], /:3: expected/],
    ['an impossible time', [TRACE_HEADER, '2023-11-16 25:17:03,1,2'], /:2: expected/],
    ['no rows', [TRACE_HEADER], /holds no rows/],
  ])('refuses %s with file and line', (name, lines, message) => {
    expect(() => readTrace(file(`${name}.csv`, ...lines))).toThrow(message);
  });
});
