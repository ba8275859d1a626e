import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TabSeparatedBody } from './tab-separated.ts';

function written(write: (body: TabSeparatedBody) => void): string {
  // Small, so that it grows.
  const body = new TabSeparatedBody(1);
  write(body);
  body.endRow();
  return body.finish().toString('utf8');
}

describe('tab-separated body', () => {
  it('writes whole numbers as their decimal digits', () => {
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeNat(), fc.nat(1000), fc.constantFrom(999_999_999, 1e9, 2 ** 53 - 1)), (value) => {
        expect(written((body) => body.whole(value))).toBe(`${value}\n`);
      }),
    );
  });

  it('writes 64-bit integers from their two words', () => {
    const word = fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff));
    fc.assert(
      fc.property(word, word, (high, low) => {
        // Words may be given signed or unsigned.
        expect(written((body) => body.words(high | 0, low))).toBe(`${(BigInt(high) << 32n) + BigInt(low)}\n`);
      }),
      { numRuns: 1_000 },
    );
    expect(written((body) => body.words(-1, -1))).toBe('18446744073709551615\n');
  });

  it('writes times as ClickHouse reads them, kept within what a DateTime64 holds', () => {
    const millis = fc.integer({ min: Date.UTC(1850, 0), max: Date.UTC(2350, 0) });
    fc.assert(
      fc.property(millis, (value) => {
        const kept = Math.min(Math.max(value, Date.UTC(1900, 0, 1)), Date.UTC(2299, 11, 31));
        const text = new Date(kept).toISOString().replace('T', ' ').replace('Z', '');
        expect(written((body) => body.millis(value))).toBe(`${text}\n`);
      }),
      { numRuns: 1_000 },
    );
    expect(written((body) => body.seconds(-1))).toBe('-1\n');
  });

  it('writes bytes as it writes their text, with the same escapes', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '\t', '\n', '\r', '\\', "'", '"', 'é', '😀', '\0', '\x1f', '\x7f', ','),
    });
    fc.assert(
      fc.property(text, (value) => {
        const bytes = Buffer.from(`<${value}>`);
        expect(written((body) => body.slice(bytes, 1, bytes.length - 1))).toBe(written((body) => body.text(value)));
      }),
    );
    fc.assert(
      fc.property(fc.array(text), (values) => {
        const bytes = Buffer.concat(
          values.flatMap((value, i) => [Buffer.from(i === 0 ? [] : [0xff]), Buffer.from(value)]),
        );
        expect(written((body) => body.joinedJsonTexts(bytes, 0, bytes.length, 0xff, values.length))).toBe(
          written((body) => body.jsonTexts(values)),
        );
      }),
    );
  });
});
