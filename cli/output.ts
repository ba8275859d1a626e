// What commands print. Names of keys, tenants and subjects were written by others: none of them may forge a line or a
// column, or tell the terminal what to do.

/** Control characters, and those that end a line or turn the direction of what follows. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const CONTROL_BUT_NEWLINE = new RegExp(
  CONTROL.source.replace('\\u0000-\\u001f', '\\u0000-\\u0009\\u000b-\\u001f'),
  'g',
);
const SHORT: Readonly<Record<string, string>> = { '\t': '\\t', '\n': '\\n', '\r': '\\r' };

const escaped = (character: string): string =>
  SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A value as one cell of a row: control characters and the backslash are written as JSON writes them. */
export const cell = (value: string): string => value.replaceAll('\\', '\\\\').replace(CONTROL, escaped);

/** Text of one or more lines without any other control character. */
export const plain = (text: string): string => text.replace(CONTROL_BUT_NEWLINE, escaped);

/** One line, or several, on stdout. */
export const printLine = (text: string): void => void process.stdout.write(`${plain(text)}\n`);

/** A row of cells, separated by tabs. */
export const printRow = (values: readonly string[]): void =>
  void process.stdout.write(`${values.map(cell).join('\t')}\n`);

export const printJson = (value: unknown): void => printLine(JSON.stringify(value));

/** For a person, beside what a script reads from stdout. */
export const writeNote = (text: string): void => void process.stderr.write(plain(text));

export const printNote = (text: string): void => writeNote(`${text}\n`);
