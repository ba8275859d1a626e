// The body of a request, made once and sent many times: only the ids in it change, in place, so that the load generator
// costs little beside what it measures.
import { eventJson, type UsageStream } from './usage-stream.ts';

const ID_DIGITS = 12;

export class RequestBody {
  readonly bytes: Buffer;
  /** Where the digits of each event's number begin. */
  private readonly digits: number[] = [];

  /** The stream's next events. One: as it is; more: an array. */
  constructor(stream: UsageStream, events: number, time: number) {
    const texts = Array.from({ length: events }, () => eventJson(stream.next(), time));
    this.bytes = Buffer.from(events === 1 ? texts[0]! : `[${texts.join()}]`);
    const before = '{"id":"e000'.length;
    let at = events === 1 ? 0 : 1;
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
