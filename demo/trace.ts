// Request traces of LLM services as published for the Azure fleet: CSV with the columns TIMESTAMP (UTC, up to seven
// fraction digits), ContextTokens and GeneratedTokens. Every row becomes exactly one event.
import { readFileSync } from 'node:fs';
import type { DemoEvent } from './demo-event.ts';

export interface TraceRow {
  /** Milliseconds since the epoch, finer digits cut off. */
  readonly time: number;
  readonly contextTokens: number;
  readonly generatedTokens: number;
}

export interface TraceRule {
  /** Row i goes to model i mod models.length … */
  readonly models: readonly string[];
  /** … and to subject floor(i / models.length) mod subjects.length, so that every subject meets every model. */
  readonly subjects: readonly string[];
  /**
   * The last row's time is moved to within an hour before this (milliseconds since the epoch), every row by the same
   * whole hours.
   */
  readonly endAt: number;
}

export const TRACE_HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens';
const TRACE_EVENT_TYPE = 'llm.completion';
const HOUR_MS = 3_600_000;
const ROW = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?,(\d{1,15}),(\d{1,15})$/;

/** Throws an Error that names the file and the line when a row is not of the stated form. */
export function readTrace(path: string): TraceRow[] {
  const lines = readFileSync(path, 'utf8').split(/\r?\n/);
  if (lines[0] !== TRACE_HEADER) throw new Error(`${path}:1: expected the header ${TRACE_HEADER}`);
  const rows: TraceRow[] = [];
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line === '') continue;
    const match = ROW.exec(line);
    const time =
      match === null
        ? Number.NaN
        : Date.parse(`${match[1]}T${match[2]}.${(match[3] ?? '').padEnd(3, '0').slice(0, 3)}Z`);
    if (match === null || Number.isNaN(time)) {
      throw new Error(
        `${path}:${index + 1}: expected "YYYY-MM-DD hh:mm:ss.fffffff,<tokens>,<tokens>", got ${JSON.stringify(line)}`,
      );
    }
    rows.push({ time, contextTokens: Number(match[4]), generatedTokens: Number(match[5]) });
  }
  if (rows.length === 0) throw new Error(`${path}: holds no rows`);
  return rows;
}

/**
 * What to add to a row's time: whole hours, so that rows of one hour stay together and an hour's sum is the file's own.
 */
function traceShiftMs(rows: readonly TraceRow[], endAt: number): number {
  let last = Number.NEGATIVE_INFINITY;
  for (const row of rows) if (row.time > last) last = row.time;
  return Math.floor((endAt - last) / HOUR_MS) * HOUR_MS;
}

/** One event a row, in the file's order; ids are `trace-<row>`, counted from 0. */
export function traceEvents(rows: readonly TraceRow[], { models, subjects, endAt }: TraceRule): DemoEvent[] {
  if (models.length === 0 || subjects.length === 0)
    throw new RangeError('a trace needs at least one model and one subject');
  const shiftMs = traceShiftMs(rows, endAt);
  return rows.map((row, i) => ({
    id: `trace-${i}`,
    source: 'trace',
    type: TRACE_EVENT_TYPE,
    subject: subjects[Math.floor(i / models.length) % subjects.length]!,
    time: row.time + shiftMs,
    data: {
      model: models[i % models.length]!,
      input_tokens: row.contextTokens,
      output_tokens: row.generatedTokens,
    },
  }));
}
