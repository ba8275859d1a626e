// Memory that is used again and again, for what many bytes a second go through: events that wait for a flush, bodies of inserts. It
// lies outside of node's heap, and what is new of it brings the next collection of the whole heap nearer, which also throws away
// compiled code whose objects are not there at that moment. What was measured of it stands in docs/lab/performance.md.

export interface Page {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** Smaller ones are not kept. */
const KEPT_BYTES_MIN = 256;
const FREE_BYTES_MAX = 64 * 1024 * 1024;

/** Of the smallest power of two that is not below it. */
const logarithmOf = (bytes: number): number => 32 - Math.clz32(bytes - 1);

const pageOf = (bytes: Buffer): Page => ({ bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) });

export class PagePool {
  private readonly freeBytesMax: number;
  private freeBytes = 0;
  /** By the logarithm of their size. */
  private readonly free: Page[][] = [];
  private readonly lent = new WeakMap<ArrayBufferLike, Page>();

  /** `freeBytesMax`: what is given back beyond that is left to the garbage collector. */
  constructor(freeBytesMax = FREE_BYTES_MAX) {
    this.freeBytesMax = freeBytesMax;
  }

  /** A page of at least that many bytes, whatever they are. */
  take(bytes: number): Page {
    if (bytes < KEPT_BYTES_MIN) return pageOf(Buffer.allocUnsafe(bytes));
    const size = logarithmOf(bytes);
    let page = this.free[size]?.pop();
    if (page === undefined) page = pageOf(Buffer.allocUnsafeSlow(2 ** size));
    else this.freeBytes -= page.bytes.length;
    this.lent.set(page.bytes.buffer, page);
    return page;
  }

  /**
   * Takes the pages back that these buffers are of: nobody may look at them any more. Others, and those that were given back
   * before, are passed over.
   */
  giveBack(buffers: readonly Buffer[]): void {
    for (const { buffer } of buffers) {
      const page = this.lent.get(buffer);
      if (page === undefined) continue;
      this.lent.delete(buffer);
      const { length } = page.bytes;
      if (this.freeBytes + length > this.freeBytesMax) continue;
      this.freeBytes += length;
      const size = logarithmOf(length);
      this.free[size] ??= [];
      this.free[size].push(page);
    }
  }
}

/** Of this process. */
export const pagePool = new PagePool();
