// CSV as RFC 4180 has it: cells between commas, in quotes where they hold a comma, a quote (written twice) or the end
// of a line. Text may come in pieces of any length.

export interface CsvRow {
  /** Where it begins, from 1 on. */
  readonly line: number;
  readonly cells: readonly string[];
}

/** What is not CSV, with its line. */
export class CsvFault extends Error {
  constructor(line: number, why: string) {
    super(`line ${line}: ${why}`);
    this.name = 'CsvFault';
  }
}

type State = 'start' | 'plain' | 'quoted' | 'behind';

export class CsvReader {
  private readonly rowLengthMax: number;
  private state: State = 'start';
  private cells: string[] = [];
  private cell = '';
  private length = 0;
  private line = 1;
  private rowLine = 1;
  private isBehindReturn = false;

  /** `rowLengthMax`: in UTF-16 units, so that a quote that is never closed takes no memory. */
  constructor(rowLengthMax: number) {
    this.rowLengthMax = rowLengthMax;
  }

  /** The rows that end in this piece, without empty lines. Throws a `CsvFault`. */
  read(piece: string): CsvRow[] {
    const rows: CsvRow[] = [];
    for (const character of piece) {
      this.length += 1;
      if (this.length > this.rowLengthMax) throw new CsvFault(this.rowLine, `it is longer than ${this.rowLengthMax}`);
      this.take(character, rows);
    }
    return rows;
  }

  /** The last row, where no line end is behind it. Throws a `CsvFault`. */
  end(): CsvRow[] {
    const rows: CsvRow[] = [];
    if (this.state === 'quoted') throw new CsvFault(this.rowLine, 'a quote is not closed');
    if (this.state !== 'start' || this.cells.length > 0) this.endRow(rows);
    return rows;
  }

  private take(character: string, rows: CsvRow[]): void {
    const isEnd = character === '\n' || character === '\r';
    // Of \r\n the first ends the row.
    const isSecond = character === '\n' && this.isBehindReturn;
    this.isBehindReturn = character === '\r';
    if (isEnd && !isSecond) this.line += 1;
    if (this.state === 'quoted') {
      if (character === '"') this.state = 'behind';
      else this.cell += character;
      return;
    }
    if (isSecond) {
      this.rowLine = this.line;
      return;
    }
    if (isEnd) this.endRow(rows);
    else if (character === ',') this.endCell();
    else if (character === '"' && this.state === 'start') this.state = 'quoted';
    else if (character === '"' && this.state === 'behind') {
      this.cell += '"';
      this.state = 'quoted';
    } else if (character === '"' || this.state === 'behind') {
      throw new CsvFault(this.line, 'a quote stands within a cell that is not in quotes, or text behind one that is');
    } else {
      this.cell += character;
      this.state = 'plain';
    }
  }

  private endCell(): void {
    this.cells.push(this.cell);
    this.cell = '';
    this.state = 'start';
  }

  private endRow(rows: CsvRow[]): void {
    const isEmpty = this.state === 'start' && this.cells.length === 0;
    if (!isEmpty) {
      this.endCell();
      rows.push({ line: this.rowLine, cells: this.cells });
    }
    this.cells = [];
    this.length = 0;
    this.rowLine = this.line;
  }
}
