import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ExactNumber } from '../../domain/number/exact-number.ts';
import { Rejection } from '../../domain/rejection.ts';
import { newApiKey } from '../../platform/access/key-form.ts';
import { refusedExample } from './refused-event.ts';

const rejection = new Rejection('time_too_old', 'time is more than 35 days in the past', 'time');

describe('what is kept of a refused event', () => {
  it('is its names and its time, and never its data', () => {
    const raw = { id: 'a', source: 's', type: 't', subject: 'cus', time: 'never', data: { secret: 1 }, more: 'x' };
    expect(refusedExample(raw, rejection)).toEqual({
      ...{ id: 'a', source: 's', type: 't', subject: 'cus', time: 'never' },
      ...{ code: 'time_too_old', message: 'time is more than 35 days in the past' },
    });
  });

  it.each([
    [null],
    ['text'],
    [[1]],
    [{ id: 5, source: null, type: {}, subject: [] }],
    [new Rejection('malformed_line', 'the line is not JSON')],
    [ExactNumber],
  ])('is nothing where %j has none', (raw) => {
    expect(refusedExample(raw, rejection)).toMatchObject({
      id: null,
      source: null,
      type: null,
      subject: null,
      time: null,
    });
  });

  it('has no API key in it, wherever it was sent, cut off or not', () => {
    const key = newApiKey();
    fc.assert(
      fc.property(fc.nat(300), fc.constantFrom('', ' ', 'Bearer ', '"'), (before, between) => {
        const text = `${'x '.repeat(before / 2)}${between}${key} and more`;
        const found = refusedExample({ id: text, time: text, subject: key }, new Rejection('invalid_time', text));
        for (let length = 12; length <= key.length; length += 1) {
          expect(JSON.stringify(found)).not.toContain(key.slice(0, length));
        }
      }),
    );
  });

  it('is text that Postgres takes, of a bounded length, whatever was sent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (text) => {
        const { id, time, message } = refusedExample(
          { id: `${text}\0\ud800`, time: text },
          new Rejection('invalid_time', text),
        );
        for (const [each, length] of [
          [id!, 256],
          [time!, 64],
          [message, 300],
        ] as const) {
          expect([each.isWellFormed(), each.includes('\0'), each.length <= length]).toEqual([true, false, true]);
        }
      }),
    );
  });
});
