import { describe, expect, it } from '@jest/globals';
import type { RejectionCode } from '../../domain/rejection.ts';
import { RefusalBook } from './refusal-book.ts';

const acme = { tenant: 'acme', keyId: 'k1', isOperator: false };
const entry = (code: RejectionCode, id = 'a') => ({ index: 0, id, code, message: 'm', field: null });
const example = (code: RejectionCode, id: string) => ({
  ...{ id, source: null, type: 't', subject: 's', time: null, code, message: 'm' },
});

describe('the book of refusals', () => {
  it('counts by key and code, and keeps the newest example of each event', () => {
    const book = new RefusalBook();
    book.events(acme, [entry('invalid_time'), entry('invalid_time')], [example('invalid_time', 'a')], 1);
    book.events(acme, [entry('invalid_time'), entry('missing_field')], [example('invalid_time', 'b')], 2);
    book.events(acme, [entry('invalid_time')], [example('invalid_time', 'a')], 3);
    book.request({ ...acme, keyId: 'k2' }, 'rate_limited', 4);
    const rows = book.take();
    expect(rows.map(({ keyId, code, count, firstAt, lastAt }) => [keyId, code, count, firstAt, lastAt])).toEqual([
      ['k1', 'invalid_time', 4, 1, 3],
      ['k1', 'missing_field', 1, 2, 2],
      ['k2', 'rate_limited', 1, 4, 4],
    ]);
    expect(rows[0]!.examples.map(({ id, at }) => [id, at])).toEqual([
      ['a', 3],
      ['b', 2],
    ]);
    expect(book.take()).toEqual([]);
  });

  it('does not grow with a flood', () => {
    const book = new RefusalBook();
    for (let i = 0; i < 20_000; i += 1) {
      const identity = { ...acme, keyId: `k${i % 5_000}` };
      book.events(identity, [entry('invalid_time')], [example('invalid_time', `e${i}`)], i);
    }
    const rows = book.take();
    expect(rows).toHaveLength(2_000);
    expect(Math.max(...rows.map(({ examples }) => examples.length))).toBe(3);
  });

  it('takes back what could not be written, beside what came meanwhile', () => {
    const book = new RefusalBook();
    book.events(acme, [entry('invalid_time')], [example('invalid_time', 'a')], 1);
    const rows = book.take();
    book.events(acme, [entry('invalid_time')], [example('invalid_time', 'b')], 5);
    book.giveBack(rows);
    const [row] = book.take();
    expect(row).toMatchObject({ count: 2, firstAt: 1, lastAt: 5 });
    expect(row!.examples.map(({ id }) => id)).toEqual(['b', 'a']);
  });
});
