// Events that a gateway must refuse, each with the fault named and the code it has to be refused with.
import type { DemoEvent } from './demo-event.ts';

const codes = {
  value_missing: 'missing_value',
  value_not_a_number: 'invalid_value',
  value_with_too_many_digits: 'invalid_value',
  id_missing: 'missing_field',
  subject_missing: 'missing_field',
  type_missing: 'missing_field',
  time_unreadable: 'invalid_time',
  time_too_old: 'time_too_old',
  time_in_future: 'time_in_future',
} as const;

export type BrokenKind = keyof typeof codes;

export const brokenKinds = Object.keys(codes) as readonly BrokenKind[];

/** The code a rejection has to carry. */
export const codeOf = (kind: BrokenKind): string => codes[kind];

const VALUE_FIELDS = new Set(['output_tokens', 'images', 'tokens']);
const DAY_MS = 86_400_000;

/** The JSON text of `event` with the fault. Its id is another one, so that it is nobody's duplicate. */
export function brokenEvent(event: DemoEvent, kind: BrokenKind, now: number): string {
  const id = `${event.id}_broken`;
  const time = new Date(event.time).toISOString();
  const whole = { ...event, id, time };
  const value = Object.keys(event.data).find((name) => VALUE_FIELDS.has(name)) ?? 'output_tokens';
  const withValue = (text: string) => JSON.stringify({ ...whole, data: { ...event.data, [value]: text } });
  switch (kind) {
    case 'value_missing':
      // The sample price list requires input tokens.
      return JSON.stringify({ ...whole, type: 'llm.completion', data: { model: event.data.model ?? 'm-large' } });
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
