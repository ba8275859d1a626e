// Blocks in ClickHouse's Native format, read apart from the code that writes them.

interface Column {
  readonly type: string;
  readonly at: number;
}

const widths: Readonly<Record<string, number>> = {
  Bool: 1, UInt8: 1, UInt16: 2, UInt32: 4, "DateTime('UTC')": 4, UInt64: 8, Int64: 8, "DateTime64(3, 'UTC')": 8, 'FixedString(16)': 16,
  'Decimal(76, 12)': 32,
}; // biome-ignore format: a table

export class NativeRows {
  readonly count: number;
  /** Of all blocks of the body, the bytes behind this one. */
  readonly end: number;
  private readonly body: Buffer;
  private readonly columns = new Map<string, Column>();
  private position: number;

  constructor(body: Buffer, start: number) {
    this.body = body;
    this.position = start;
    const columns = this.varint();
    this.count = this.varint();
    for (let i = 0; i < columns; i++) {
      const name = this.text();
      const type = this.text();
      this.columns.set(name, { type, at: this.position });
      this.pass(type);
    }
    if (this.position > body.length) throw new Error('the block does not end within its body');
    this.end = this.position;
  }

  private varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.body[this.position++];
      if (byte === undefined) throw new Error('a number does not end within its body');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  private bytesOfText(): Buffer {
    const length = this.varint();
    this.position += length;
    return this.body.subarray(this.position - length, this.position);
  }

  private text(): string {
    return this.bytesOfText().toString('utf8');
  }

  private skipTexts(count: number): void {
    for (let i = 0; i < count; i++) {
      const length = this.varint();
      this.position += length;
    }
  }

  private pass(type: string): void {
    if (type === 'String') this.skipTexts(this.count);
    else if (type === 'Array(String)') {
      const elements = this.count === 0 ? 0 : this.wholeAt(this.position + (this.count - 1) * 8);
      this.position += this.count * 8;
      this.skipTexts(elements);
    } else {
      const width = widths[type];
      if (width === undefined) throw new Error(`a column of type ${type}`);
      this.position += width * this.count;
    }
  }

  private wholeAt(at: number): number {
    return this.body.readUInt32LE(at) + this.body.readInt32LE(at + 4) * 2 ** 32;
  }

  has(name: string): boolean {
    return this.columns.has(name);
  }

  private column(name: string): Column & { readonly width: number } {
    const column = this.columns.get(name);
    if (column === undefined) throw new Error(`no column ${name}`);
    return { ...column, width: widths[column.type] ?? 0 };
  }

  private each<Value>(valueAt: (row: number) => Value): Value[] {
    return Array.from({ length: this.count }, (_, row) => valueAt(row));
  }

  /** Of an integer column; of 64 bits, rounded beyond the safe integers. */
  numbers(name: string): number[] {
    const { at, width } = this.column(name);
    const { body } = this;
    if (width === 8) return this.each((row) => this.wholeAt(at + row * 8));
    return this.each((row) => body.readUIntLE(at + row * width, width));
  }

  /** Of a column of 64 bits or more; of decimals, their unscaled values. */
  integers(name: string): bigint[] {
    const { at, width, type } = this.column(name);
    const isSigned = !type.startsWith('U');
    return this.each((row) => {
      let value = 0n;
      for (let word = width - 8; word >= 0; word -= 8)
        value = (value << 64n) | this.body.readBigUInt64LE(at + row * width + word);
      return isSigned ? BigInt.asIntN(width * 8, value) : value;
    });
  }

  bytes(name: string): Buffer[] {
    const { at, width } = this.column(name);
    if (width > 0) return this.each((row) => this.body.subarray(at + row * width, at + (row + 1) * width));
    this.position = at;
    return this.each(() => this.bytesOfText());
  }

  texts(name: string): string[] {
    this.position = this.column(name).at;
    return this.each(() => this.text());
  }

  lists(name: string): string[][] {
    const { at } = this.column(name);
    this.position = at + this.count * 8;
    let before = 0;
    return this.each((row) => {
      const end = this.wholeAt(at + row * 8);
      const texts = Array.from({ length: end - before }, () => this.text());
      before = end;
      return texts;
    });
  }

  /** Each row as a text that says all that is in it. */
  lines(): string[] {
    const columns = [...this.columns].map(([name, { type }]): readonly unknown[] => {
      if (type === 'String' || type === 'FixedString(16)')
        return this.bytes(name).map((bytes) => bytes.toString('latin1'));
      if (type === 'Array(String)') return this.lists(name);
      return this.column(name).width < 8 ? this.numbers(name) : this.integers(name).map(String);
    });
    const names = [...this.columns.keys()];
    return this.each((row) => JSON.stringify(Object.fromEntries(names.map((name, i) => [name, columns[i]![row]]))));
  }
}

/** The blocks of an insert's body. */
export function readBlocks(parts: readonly Buffer[]): NativeRows[] {
  const body = Buffer.concat(parts);
  const blocks: NativeRows[] = [];
  for (let at = 0; at < body.length; at = blocks.at(-1)!.end) blocks.push(new NativeRows(body, at));
  return blocks;
}
