// A rejected event as the text that event_rejects keeps, and back again. The data is carried as it stands in the log,
// byte for byte and never parsed: it may be what the event was rejected for, and not be JSON at all.

import type { UsageEvent } from '../../domain/usage-event.ts';

/** Inside a JSON string every quote is escaped, so the first of these in the text is the member itself. */
const DATA_MEMBER = ',"data":';

/** The event as its client would send it. */
export function writeRejectedEvent({ id, source, type, subject, timeGiven, eventTime, data }: UsageEvent): string {
  const time = timeGiven ? { time: new Date(eventTime).toISOString() } : {};
  const head = JSON.stringify({ id, source, type, subject, ...time });
  return `${head.slice(0, -1)}${DATA_MEMBER}${data}}`;
}

export type RejectedText = Pick<UsageEvent, 'id' | 'source' | 'type' | 'subject' | 'timeGiven' | 'data'>;

/** Of a text that `writeRejectedEvent` wrote. */
export function readRejectedEvent(text: string): RejectedText {
  const at = text.indexOf(DATA_MEMBER);
  const { time, ...names } = JSON.parse(`${text.slice(0, at)}}`) as Record<
    'id' | 'source' | 'type' | 'subject',
    string
  > & {
    time?: string;
  };
  return { ...names, timeGiven: time !== undefined, data: text.slice(at + DATA_MEMBER.length, -1) };
}
