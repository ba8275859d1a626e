import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readBlocks } from '../../test/support/native-rows.ts';
import { type ColumnType, NativeBlock, tableColumns } from './native-block.ts';

/** One value, written and read again. */
function written(type: ColumnType, write: (block: NativeBlock) => void) {
  // For no rows, so that it grows.
  const block = new NativeBlock(tableColumns({ value: type }), {}, 0);
  write(block);
  block.endRow();
  return readBlocks(block.finish())[0]!;
}

const integer = (type: ColumnType, write: (block: NativeBlock) => void): bigint =>
  written(type, write).integers('value')[0]!;
const text = (write: (block: NativeBlock) => void): string => written('String', write).texts('value')[0]!;

const hostile = fc.string({
  unit: fc.constantFrom('a', '\t', '\n', '\r', '\\', "'", '"', 'é', '😀', '\0', '\x1f', '\x7f', ',', 'x'.repeat(70)),
});

describe('native block', () => {
  it('holds every safe integer in 64 bits, and smaller ones in fewer', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(integer('Int64', (block) => block.whole(value))).toBe(BigInt(value));
        expect(integer('Int64', (block) => block.integer(BigInt(value)))).toBe(BigInt(value));
      }),
      { numRuns: 1_000 },
    );
    fc.assert(
      fc.property(fc.nat(0xffffffff), (value) => {
        expect(written('UInt32', (block) => block.whole(value)).numbers('value')).toEqual([value]);
        expect(written('UInt16', (block) => block.whole(value % 65_536)).numbers('value')).toEqual([value % 65_536]);
        // Words may be given signed or unsigned.
        const words = (BigInt(value) << 32n) + 0xffffffffn - BigInt(value);
        expect(integer('UInt64', (block) => block.words(value | 0, 0xffffffff - value))).toBe(words);
      }),
    );
  });

  it('holds decimals', () => {
    const whole = fc.oneof(fc.integer({ min: 0, max: 2 ** 52 }), fc.constantFrom(0, 1, 2 ** 24, 2 ** 48 - 1, 2 ** 52));
    fc.assert(
      fc.property(whole, (value) => {
        expect(integer('Decimal(76, 12)', (block) => block.wholeDecimal(value))).toBe(BigInt(value) * 10n ** 12n);
      }),
      { numRuns: 1_000 },
    );
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 255n), max: 2n ** 255n - 1n }), (value) => {
        expect(integer('Decimal(76, 12)', (block) => block.integer(value))).toBe(value);
      }),
    );
  });

  it('keeps times within what a DateTime64 holds, and refuses what a DateTime does not', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1850, 0), max: Date.UTC(2350, 0) }), (value) => {
        const kept = Math.min(Math.max(value, Date.UTC(1900, 0, 1)), Date.UTC(2299, 11, 31));
        expect(written("DateTime64(3, 'UTC')", (block) => block.millis(value)).numbers('value')).toEqual([kept]);
      }),
    );
    expect(written("DateTime('UTC')", (block) => block.seconds(4_294_967_295_999)).numbers('value')).toEqual([
      4_294_967_295,
    ]);
    for (const value of [-1, 2 ** 32 * 1000]) {
      expect(() => written("DateTime('UTC')", (block) => block.seconds(value))).toThrow(
        `${value} ms are no time of a DateTime column`,
      );
    }
  });

  it('holds texts, given as such or as their bytes', () => {
    fc.assert(
      fc.property(hostile, (value) => {
        const bytes = Buffer.from(`<${value}>`);
        expect(text((block) => block.text(value))).toBe(value);
        expect(text((block) => block.slice(bytes, 1, bytes.length - 1))).toBe(value);
      }),
    );
    fc.assert(
      fc.property(fc.array(hostile), (values) => {
        const separated = values.flatMap((value, i) => [Buffer.from(i === 0 ? [] : [0xff]), Buffer.from(value)]);
        const bytes = Buffer.concat(separated);
        const json = JSON.stringify(values);
        expect(text((block) => block.jsonTexts(values))).toBe(json);
        expect(text((block) => block.joinedJsonTexts(bytes, 0, bytes.length, 0xff, values.length))).toBe(json);
        expect(written('Array(String)', (block) => block.texts(values)).lists('value')).toEqual([values]);
      }),
    );
  });

  it('gives what was written of a row, however many rows came before', () => {
    const columns = tableColumns({
      name: 'String',
      same: 'UInt32',
      count: 'UInt16',
      rest: 'Array(String)',
    });
    const bytesOf = (rows: readonly (readonly [string, number, string[]])[]): string[] => {
      const block = new NativeBlock(columns, { same: 7 }, 0);
      return rows.map(([name, count, rest]) => {
        block.text(name);
        block.whole(count);
        const first = block.rowBytes().toString('hex');
        block.texts(rest);
        const second = block.rowBytes().toString('hex');
        block.endRow();
        return `${first} ${second}`;
      });
    };
    const row = fc.tuple(hostile, fc.nat(9), fc.array(hostile, { maxLength: 3 }));
    fc.assert(
      fc.property(fc.array(row, { maxLength: 12 }), (rows) => {
        expect(bytesOf(rows)).toEqual(rows.flatMap((each) => bytesOf([each])));
      }),
    );
    expect(bytesOf([['ab', 258, ['c']]])).toEqual(['0261620201 0163']);
  });

  it('is nothing without rows, and refuses a row of too few values', () => {
    const block = new NativeBlock(tableColumns({ a: 'UInt16', b: 'UInt16' }));
    expect(block.finish()).toHaveLength(0);
    block.whole(1);
    expect(() => block.endRow()).toThrow('a row of 1 values in 2 columns');
  });
});
