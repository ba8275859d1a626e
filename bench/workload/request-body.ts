// The body of a request, made once and sent many times: only the ids in it change, in place, so that the load generator
// costs little beside what it measures.
import { cloudEventJson, eventJson, type UsageStream } from './usage-stream.ts';

const ID_DIGITS = 12;

/** The ways in which the same events can be sent. */
const waysToSend = {
  json: { contentType: 'application/json', write: eventJson, isArray: true },
  ndjson: { contentType: 'application/x-ndjson', write: eventJson, isArray: false },
  'cloudevents batch': { contentType: 'application/cloudevents-batch+json', write: cloudEventJson, isArray: true },
  'cloudevents as json': { contentType: 'application/json', write: cloudEventJson, isArray: true },
} as const;

export type WayToSend = keyof typeof waysToSend;

export class RequestBody {
  readonly bytes: Buffer;
  readonly contentType: string;
  /** Where the digits of each event's number begin. */
  private readonly digits: number[] = [];

  /** The stream's next events. One: as it is; more: an array, or lines. */
  constructor(stream: UsageStream, events: number, time: number, way: WayToSend = 'json') {
    const { contentType, write, isArray } = waysToSend[way];
    const texts = Array.from({ length: events }, () => write(stream.next(), time));
    const isBare = !isArray || (events === 1 && way !== 'cloudevents batch');
    this.contentType = contentType;
    this.bytes = Buffer.from(isBare ? texts.join('\n') : `[${texts.join()}]`);
    const before = '{"id":"e000'.length;
    let at = isBare ? 0 : 1;
    for (const text of texts) {
      this.digits.push(at + before);
      at += text.length + 1;
    }
  }

  /** Gives the events the numbers from `first` on. */
  number(first: number): void {
    const { bytes } = this;
    let number = first;
    for (const start of this.digits) {
      let rest = number++;
      for (let at = start + ID_DIGITS - 1; at >= start; at--) {
        bytes[at] = 0x30 + (rest % 10);
        rest = Math.floor(rest / 10);
      }
    }
  }
}
