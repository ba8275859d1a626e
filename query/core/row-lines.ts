// The rows of an answer as lines of text, while they come. A whole answer can be told from one that broke off:
//
//   NDJSON  the first line says what the rows are of, each further one is a row, and the last is {"rows": N}. Without
//           that the answer is not whole.
//   CSV     as RFC 4180 has it, with a line of names. Nothing in it can say that it is whole: that is for HTTP, whose
//           connection is cut before the end of the body where something fails.
import { csvLine } from '../../domain/csv-line.ts';

interface TextStream {
  readonly mediaType: string;
  readonly pieces: AsyncIterable<string>;
}

/** So many characters are worth a write to a socket. */
const PIECE_LENGTH = 65_536;

/** The head and all lines, in pieces; the first is given out once the first rows are there, or the end. */
async function* piecesOf<Row>(
  head: string,
  rows: AsyncIterable<readonly Row[]>,
  lineOf: (row: Row) => string,
  endOf: (count: number) => string,
): AsyncGenerator<string, void, undefined> {
  let piece = head;
  let count = 0;
  for await (const some of rows) {
    for (const row of some) {
      piece += lineOf(row);
      count += 1;
      if (piece.length < PIECE_LENGTH) continue;
      yield piece;
      piece = '';
    }
    if (piece === '') continue;
    yield piece;
    piece = '';
  }
  const last = piece + endOf(count);
  if (last !== '') yield last;
}

export const jsonLines = (head: object, rows: AsyncIterable<readonly object[]>): TextStream => ({
  mediaType: 'application/x-ndjson; charset=utf-8',
  pieces: piecesOf(
    `${JSON.stringify(head)}\n`,
    rows,
    (row) => `${JSON.stringify(row)}\n`,
    (count) => `${JSON.stringify({ rows: count })}\n`,
  ),
});

const line = (fields: readonly string[]): string => `${csvLine(fields)}\r\n`;

export const csvLines = <Row>(
  columns: readonly string[],
  rows: AsyncIterable<readonly Row[]>,
  fieldsOf: (row: Row) => readonly string[],
): TextStream => ({
  mediaType: 'text/csv; charset=utf-8; header=present',
  pieces: piecesOf(
    line(columns),
    rows,
    (row) => line(fieldsOf(row)),
    () => '',
  ),
});
