// A JSON parser (RFC 8259) that keeps the text of numbers a double can't hold. It reads what JSON.parse reads, up to
// 512 levels deep, and refuses what JSON.parse refuses. Strings are sliced and not put together, and numbers are read
// digit by digit: a pattern that repeats without a bound runs out of stack on a number that is long enough.
import { ExactNumber } from '../number/exact-number.ts';

/**
 * The parser recurses once a level. Where a stack ends differs between machines, and what a text is must not: so it
 * ends here, far above what an admitted event may have.
 */
export const DEPTH_MAX = 512;
/** A number of so many digits, its point counted, and without an exponent, is what a double gives back. */
const DOUBLE_LENGTH_MAX = 15;

class Parser {
  private readonly text: string;
  private position = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  parse(): unknown {
    const value = this.value();
    if (this.next() !== -1) this.fail();
    return value;
  }

  private fail(): never {
    const { text, position } = this;
    const found =
      position < text.length ? JSON.stringify(String.fromCodePoint(text.codePointAt(position)!)) : 'the end';
    throw new SyntaxError(`Unexpected ${found} in JSON at position ${position}`);
  }

  /** Passes white space over; the next UTF-16 unit, or -1 at the end. */
  private next(): number {
    for (;;) {
      if (this.position >= this.text.length) return -1;
      const unit = this.text.charCodeAt(this.position);
      if (unit !== 32 && unit !== 10 && unit !== 13 && unit !== 9) return unit;
      this.position++;
    }
  }

  /** Into an array or object, past its bracket. */
  private enter(): void {
    if (++this.depth > DEPTH_MAX) throw new SyntaxError(`nested deeper than ${DEPTH_MAX} levels`);
    this.position++;
  }

  private leave(): void {
    this.depth--;
    this.position++;
  }

  private value(): unknown {
    switch (this.next()) {
      case 34:
        return this.string();
      case 123:
        return this.object();
      case 91:
        return this.array();
      case 116:
        return this.word('true', true);
      case 102:
        return this.word('false', false);
      case 110:
        return this.word('null', null);
      default:
        return this.number();
    }
  }

  private word(word: string, value: unknown): unknown {
    if (!this.text.startsWith(word, this.position)) this.fail();
    this.position += word.length;
    return value;
  }

  private number(): number | ExactNumber {
    const { text, position: start } = this;
    if (text.charCodeAt(start) === 45) this.position++;
    const first = this.position;
    if (text.charCodeAt(this.position) === 48) this.position++;
    else this.digits();
    if (text.charCodeAt(this.position) === 46) {
      this.position++;
      this.digits();
    }
    const unit = text.charCodeAt(this.position);
    if (unit !== 69 && unit !== 101) {
      const token = text.slice(start, this.position);
      return this.position - first > DOUBLE_LENGTH_MAX ? new ExactNumber(token) : Number(token);
    }
    const sign = text.charCodeAt(++this.position);
    if (sign === 43 || sign === 45) this.position++;
    this.digits();
    return new ExactNumber(text.slice(start, this.position));
  }

  /** Passes one digit or more. */
  private digits(): void {
    const { text, position: start } = this;
    let at = start;
    for (let unit = text.charCodeAt(at); unit >= 48 && unit <= 57; unit = text.charCodeAt(++at));
    this.position = at;
    if (at === start) this.fail();
  }

  private string(): string {
    const { text } = this;
    const start = this.position;
    let escaped = false;
    for (let end = start + 1; end < text.length; end++) {
      const unit = text.charCodeAt(end);
      if (unit === 34) {
        this.position = end + 1;
        // Escapes are left to JSON.parse, which knows them all.
        return escaped ? (JSON.parse(text.slice(start, end + 1)) as string) : text.slice(start + 1, end);
      }
      if (unit === 92) {
        escaped = true;
        end++;
      } else if (unit < 32) {
        this.position = end;
        this.fail();
      }
    }
    this.position = text.length;
    this.fail();
  }

  private array(): unknown[] {
    this.enter();
    const items: unknown[] = [];
    if (this.next() === 93) {
      this.leave();
      return items;
    }
    for (;;) {
      items.push(this.value());
      const unit = this.next();
      if (unit === 93) {
        this.leave();
        return items;
      }
      if (unit !== 44) this.fail();
      this.position++;
    }
  }

  private object(): Record<string, unknown> {
    this.enter();
    const members: Record<string, unknown> = {};
    if (this.next() === 125) {
      this.leave();
      return members;
    }
    for (;;) {
      if (this.next() !== 34) this.fail();
      const key = this.string();
      if (this.next() !== 58) this.fail();
      this.position++;
      set(members, key, this.value());
      const unit = this.next();
      if (unit === 125) {
        this.leave();
        return members;
      }
      if (unit !== 44) this.fail();
      this.position++;
    }
  }
}

/** Plain assignment to "__proto__" would change the object's prototype instead of storing the member. */
function set(members: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(members, key, { value, writable: true, enumerable: true, configurable: true });
  else members[key] = value;
}

/** Throws a SyntaxError, also for what is nested too deep. */
export const parseKeepingDigits = (text: string): unknown => new Parser(text).parse();
