import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { csvLine } from '../../domain/csv-line.ts';
import { CsvFault, CsvReader, type CsvRow } from './csv.ts';

function rowsOf(...pieces: readonly string[]): CsvRow[] {
  const reader = new CsvReader(1_000);
  return [...pieces.flatMap((piece) => reader.read(piece)), ...reader.end()];
}

describe('CSV', () => {
  it.each<[string, [number, ...string[]][]]>([
    ['', []],
    ['a', [[1, 'a']]],
    [
      'a,b\nc,',
      [
        [1, 'a', 'b'],
        [2, 'c', ''],
      ],
    ],
    [
      'a\r\nb\rc\n',
      [
        [1, 'a'],
        [2, 'b'],
        [3, 'c'],
      ],
    ],
    [
      '\n\na\n\r\nb',
      [
        [3, 'a'],
        [5, 'b'],
      ],
    ],
    [
      '"a,""b""\nc",d\ne',
      [
        [1, 'a,"b"\nc', 'd'],
        [3, 'e'],
      ],
    ],
    [
      '"a\r\nb",c\r\nd',
      [
        [1, 'a\r\nb', 'c'],
        [3, 'd'],
      ],
    ],
    [
      '""\n"",""',
      [
        [1, ''],
        [2, '', ''],
      ],
    ],
    [',\n', [[1, '', '']]],
    ['ä,😀\n', [[1, 'ä', '😀']]],
  ])('%j', (text, expected) => {
    const found = rowsOf(text).map(({ line, cells }) => [line, ...cells]);
    expect(found).toEqual(expected);
    expect(rowsOf(...text.split(/(?:)/u)).map(({ line, cells }) => [line, ...cells])).toEqual(expected);
  });

  it.each([
    ['a"b', /^line 1: a quote stands within/],
    ['a\n"b"c', /^line 2: a quote/],
    ['a\n"b', /^line 2: a quote is not closed/],
    [`a\n"${'x'.repeat(1_001)}`, /^line 2: it is longer than 1000/],
  ])('refuses %j', (text, why) => {
    expect(() => rowsOf(text)).toThrow(CsvFault);
    expect(() => rowsOf(text)).toThrow(why);
  });

  it('reads what it wrote, in whatever pieces', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', '😀', ' '), maxLength: 6 });
    const rows = fc.array(fc.array(cell, { minLength: 1, maxLength: 4 }), { maxLength: 5 });
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 7 }), fc.constantFrom('\n', '\r\n'), (cells, size, end) => {
        const text = cells.map((row) => `${csvLine(row)}${end}`).join('');
        const characters = [...text];
        const pieces: string[] = [];
        for (let i = 0; i < characters.length; i += size) pieces.push(characters.slice(i, i + size).join(''));
        expect(rowsOf(...pieces).map((row) => row.cells)).toEqual(cells);
      }),
    );
  });
});
