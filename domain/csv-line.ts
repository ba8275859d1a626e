// A row of CSV as RFC 4180 has it: a cell that holds a comma, a quote or the end of a line stands in quotes, with its
// own quotes written twice.

const quotedCell = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

/** Without its line end. One empty cell is written in quotes: an empty line is no row. */
export const csvLine = (cells: readonly string[]): string =>
  cells.length === 1 && cells[0] === '' ? '""' : cells.map(quotedCell).join(',');
