// Pages of memory that are kept and used again, for events that wait for a flush and for bodies of inserts: many bytes
// a second pass through them. This memory lies outside of node's heap, but every new piece of it makes V8 collect the
// whole heap sooner. Such a collection takes time, and it also discards compiled code that refers to objects which do
// not exist at that moment. docs/lab/performance.md says what was measured.

export interface Page {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** Smaller ones are not kept. */
const KEPT_BYTES_MIN = 256;
const FREE_BYTES_MAX = 64 * 1024 * 1024;

/** The logarithm of the smallest power of two that is at least `bytes`. */
const logarithmOf = (bytes: number): number => 32 - Math.clz32(bytes - 1);

const pageOf = (bytes: Buffer): Page => ({ bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) });

export class PagePool {
  private readonly freeBytesMax: number;
  private freeBytes = 0;
  /** Free pages, by the logarithm of their size. */
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
   * Takes back the pages that these buffers lie in; nobody may read them any more. A buffer that lies in no page, or in
   * one that was given back before, is ignored.
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

/** The one pool of this process. */
export const pagePool = new PagePool();
