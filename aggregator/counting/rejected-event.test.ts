import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { dedupKeyOf, type UsageEvent } from '../../domain/usage-event.ts';
import { readRejectedEvent, writeRejectedEvent } from './rejected-event.ts';

const event = (more: Partial<UsageEvent>): UsageEvent => ({
  tenant: 't',
  source: 's',
  id: 'i',
  type: 'call',
  subject: 'cus',
  eventTime: Date.UTC(2026, 10, 20),
  timeGiven: true,
  receivedAt: 0,
  data: '{"n":1}',
  dedupKey: dedupKeyOf('t', 's', 'i'),
  payloadHash: 1n,
  ...more,
});

describe('a rejected event as text', () => {
  it('is what its client would send', () => {
    expect(JSON.parse(writeRejectedEvent(event({})))).toEqual({
      id: 'i',
      source: 's',
      type: 'call',
      subject: 'cus',
      time: '2026-11-20T00:00:00.000Z',
      data: { n: 1 },
    });
  });

  it.each([
    ['data that is no JSON', { data: '{"n":' }],
    ['no data at all', { data: '' }],
    ['data that would end the event and begin another', { data: '{"n":1},"subject":"somebody else"' }],
    ['names that look like members', { id: ',"data":', subject: '","data":{}' }],
    ['more digits than a double holds', { data: '{"n":12345678901234567890.123456789012, "n":1}' }],
    ['a time that no date holds in four digits', { eventTime: -(2 ** 52) }],
  ])('keeps %s', (_, more) => {
    const given = event(more);
    const { id, source, type, subject, timeGiven, data } = given;
    expect(readRejectedEvent(writeRejectedEvent(given))).toEqual({ id, source, type, subject, timeGiven, data });
  });

  it('keeps any event', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(text, text, text, text, text, fc.boolean(), (id, source, type, subject, data, timeGiven) => {
        const given = { id, source, type, subject, data, timeGiven };
        expect(readRejectedEvent(writeRejectedEvent(event(given)))).toEqual(given);
      }),
    );
  });
});
