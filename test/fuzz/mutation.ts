// Makes a new input out of old ones: a few small changes of bytes, of tokens the target knows, and of parts of two
// inputs.
import type { Random } from '../../domain/random.ts';

export const INPUT_BYTES_MAX = 4096;

/** Bytes at which decoders decide: signs of variable-length integers, quotes, brackets, ends of ranges. */
const INTERESTING = [
  0, 1, 2, 0x0a, 0x20, 0x22, 0x2c, 0x2d, 0x2e, 0x30, 0x39, 0x3a, 0x5b, 0x5c, 0x5d, 0x65, 0x7b, 0x7d,
].concat([0x7e, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xc3, 0xed, 0xef, 0xf0, 0xf4, 0xfe, 0xff]);

export class Mutator {
  private readonly random: Random;
  private readonly dictionary: readonly Buffer[];
  private readonly bytes = Buffer.alloc(INPUT_BYTES_MAX);
  private length = 0;

  constructor(random: Random, dictionary: readonly string[]) {
    this.random = random;
    this.dictionary = dictionary.map((token) => Buffer.from(token));
  }

  /** Valid until the next call. */
  mutate(corpus: readonly Buffer[]): Buffer {
    const { random } = this;
    const parent = random.pick(corpus);
    this.length = parent.copy(this.bytes, 0, 0, INPUT_BYTES_MAX);
    for (let changes = 1 + random.below(random.once(4) ? 12 : 3); changes > 0; changes--) this.change(corpus);
    return this.bytes.subarray(0, this.length);
  }

  private change(corpus: readonly Buffer[]): void {
    const { random, bytes } = this;
    const at = this.length === 0 ? 0 : random.below(this.length);
    switch (random.below(this.dictionary.length > 0 ? 11 : 9)) {
      case 0:
        bytes[at] = bytes[at]! ^ (1 << random.below(8));
        break;
      case 1:
        bytes[at] = random.uint32();
        break;
      case 2:
        bytes[at] = random.pick(INTERESTING);
        break;
      case 3:
        this.remove(at, 1 + random.below(random.once(3) ? 64 : 4));
        break;
      case 4:
        this.insert(at, Buffer.from([random.once(2) ? random.pick(INTERESTING) : random.uint32() & 0xff]));
        break;
      case 5:
        // The same bytes once more: a key twice, a longer number, one level deeper.
        this.insert(at, Buffer.from(bytes.subarray(at, at + 1 + random.below(random.once(3) ? 64 : 8))));
        break;
      case 6: {
        const other = random.pick(corpus);
        const from = other.length === 0 ? 0 : random.below(other.length);
        this.insert(at, other.subarray(from, from + 1 + random.below(64)));
        break;
      }
      case 7: {
        const other = random.pick(corpus);
        const from = other.length === 0 ? 0 : random.below(other.length);
        this.length = at + other.copy(bytes, at, from, Math.min(other.length, from + INPUT_BYTES_MAX - at));
        break;
      }
      case 8:
        this.length = at;
        break;
      case 9:
        this.insert(at, random.pick(this.dictionary));
        break;
      default: {
        const token = random.pick(this.dictionary);
        this.remove(at, token.length);
        this.insert(Math.min(at, this.length), token);
      }
    }
  }

  private remove(at: number, count: number): void {
    const end = Math.min(this.length, at + count);
    this.bytes.copyWithin(at, end, this.length);
    this.length -= end - Math.min(at, end);
  }

  private insert(at: number, inserted: Buffer): void {
    const count = Math.min(inserted.length, INPUT_BYTES_MAX - this.length);
    this.bytes.copyWithin(at + count, at, this.length);
    inserted.copy(this.bytes, at, 0, count);
    this.length += count;
  }
}
