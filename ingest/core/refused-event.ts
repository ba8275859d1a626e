// What is kept of an event that was refused, so that somebody can find out why it is nowhere: its names and its time,
// cut in length, and never its data. API keys that were sent in a wrong place are blotted out.
import type { RefusedEventNames } from '../../domain/refused-event.ts';
import type { Rejection } from '../../domain/rejection.ts';

/** As much as the names of an event may have; of anything longer, its beginning tells which it is. */
const NAME_LENGTH = 256;
const TIME_LENGTH = 64;
const MESSAGE_LENGTH = 300;
/** As keys are made, and what follows the word of a header. */
const SECRETS = /\b(?:tl_[\w-]{20,}|bearer\s+\S+)/gi;

export interface RefusedExample extends RefusedEventNames {
  readonly code: string;
}

/** Longer than a key: one that the cut would go through is found all the same. */
const KEY_LENGTH = 64;

/** No text of Postgres holds a NUL, and none a part of a character. */
const kept = (text: string, length: number): string =>
  text
    .slice(0, length + KEY_LENGTH)
    .replace(SECRETS, '[key]')
    .slice(0, length)
    .toWellFormed()
    .replaceAll('\0', '\ufffd');

/** `raw`: as `admit` was given it. */
export function refusedExample(raw: unknown, { code, message }: Rejection): RefusedExample {
  const event = (typeof raw === 'object' && raw !== null ? raw : {}) as Record<string, unknown>;
  const textOf = (name: string, length = NAME_LENGTH): string | null => {
    const value = Object.hasOwn(event, name) ? event[name] : null;
    return typeof value === 'string' ? kept(value, length) : null;
  };
  return {
    ...{ id: textOf('id'), source: textOf('source'), type: textOf('type'), subject: textOf('subject') },
    ...{ time: textOf('time', TIME_LENGTH), code, message: kept(message, MESSAGE_LENGTH) },
  };
}
