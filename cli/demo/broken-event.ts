// Events that a gateway must refuse, each with the fault named and the code it has to be refused with.
import type { DemoEvent } from './demo-event.ts';

export const brokenKinds = [
  'value_not_a_number',
  'value_with_too_many_digits',
  'id_missing',
  'subject_missing',
  'type_missing',
  'time_unreadable',
  'time_too_old',
  'time_in_future',
] as const;

export type BrokenKind = (typeof brokenKinds)[number];

const DAY_MS = 86_400_000;

/** The JSON text of `event` with the fault. Its id is another one, so that it is nobody's duplicate. */
export function brokenEvent(event: DemoEvent, kind: BrokenKind, now: number): string {
  const id = `${event.id}_broken`;
  const time = new Date(event.time).toISOString();
  const whole = { ...event, id, time };
  const value =
    Object.keys(event.data).find((name) => name === 'output_tokens' || name === 'images') ?? 'output_tokens';
  const withValue = (text: string) => JSON.stringify({ ...whole, data: { ...event.data, [value]: text } });
  switch (kind) {
    case 'value_not_a_number':
      return withValue('a few');
    case 'value_with_too_many_digits':
      return withValue('1'.repeat(27));
    case 'id_missing':
      return JSON.stringify({ ...whole, id: undefined });
    case 'subject_missing':
      return JSON.stringify({ ...whole, subject: undefined });
    case 'type_missing':
      return JSON.stringify({ ...whole, type: undefined });
    case 'time_unreadable':
      return JSON.stringify({ ...whole, time: 'yesterday' });
    case 'time_too_old':
      return JSON.stringify({ ...whole, time: new Date(now - 36 * DAY_MS).toISOString() });
    case 'time_in_future':
      return JSON.stringify({ ...whole, time: new Date(now + DAY_MS).toISOString() });
  }
}
