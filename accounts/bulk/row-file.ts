// Files of account objects, read as they come: NDJSON or CSV in UTF-8. What can't be a row is told with its line, and
// the rows beside it are read all the same; only what is no UTF-8 or no CSV ends the reading, since nothing behind it
// can be told apart.
import { CsvReader } from '../core/csv.ts';
import { type CsvForm, headerFault, rowOfCells } from '../core/csv-form.ts';
import type { FileRow } from './import-rows.ts';

export type RowFileFormat = 'ndjson' | 'csv';

/** In UTF-16 units; a customer has less. */
const ROW_LENGTH_MAX = 65_536;

/** By the name of a file; null: it does not say. */
export function formatOf(file: string): RowFileFormat | null {
  if (/\.csv$/i.test(file)) return 'csv';
  return /\.(?:ndjson|jsonl|json)$/i.test(file) ? 'ndjson' : null;
}

export async function* decoded(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const chunk of chunks) yield decoder.decode(chunk, { stream: true });
    yield decoder.decode();
  } catch (cause) {
    const isEncoding = (cause as { readonly code?: unknown }).code === 'ERR_ENCODING_INVALID_ENCODED_DATA';
    throw isEncoding ? new Error('the file is not UTF-8', { cause }) : cause;
  }
}

function parsedLine(line: number, text: string): FileRow {
  if (text.length > ROW_LENGTH_MAX) return { line, fault: `it is longer than ${ROW_LENGTH_MAX}` };
  try {
    const row: unknown = JSON.parse(text);
    if (typeof row === 'object' && row !== null && !Array.isArray(row)) return { line, row: row as FileRow & object };
  } catch {
    // Told below.
  }
  return { line, fault: 'it is no JSON object' };
}

async function* ndjsonRows(text: AsyncIterable<string>): AsyncGenerator<FileRow> {
  let line = 0;
  let rest = '';
  for await (const piece of text) {
    const lines = `${rest}${piece}`.split('\n');
    rest = lines.pop()!;
    for (const each of lines) {
      line += 1;
      if (each.trim() !== '') yield parsedLine(line, each);
    }
    // A line that never ends is kept only as far as it can be a row.
    if (rest.length > ROW_LENGTH_MAX) rest = rest.slice(0, ROW_LENGTH_MAX + 1);
  }
  if (rest.trim() !== '') yield parsedLine(line + 1, rest);
}

async function* csvRows(text: AsyncIterable<string>, form: CsvForm): AsyncGenerator<FileRow> {
  const reader = new CsvReader(ROW_LENGTH_MAX);
  let columns: readonly string[] | null = null;
  const rowsOf = function* (rows: ReturnType<CsvReader['read']>): Generator<FileRow> {
    for (const { line, cells } of rows) {
      if (columns === null) {
        const fault = headerFault(form, cells);
        if (fault !== null) throw new Error(`line ${line}: ${fault}`);
        columns = cells;
        continue;
      }
      try {
        yield { line, row: rowOfCells(columns, cells) };
      } catch (error) {
        yield { line, fault: (error as Error).message };
      }
    }
  };
  for await (const piece of text) yield* rowsOf(reader.read(piece));
  yield* rowsOf(reader.end());
}

/** Throws where the file as a whole can't be read. `form`: what its CSV looks like. */
export const rowsOfFile = (
  format: RowFileFormat,
  chunks: AsyncIterable<Buffer>,
  form: CsvForm,
): AsyncGenerator<FileRow> => (format === 'csv' ? csvRows(decoded(chunks), form) : ndjsonRows(decoded(chunks)));
