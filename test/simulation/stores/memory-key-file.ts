// A file of keys in memory, on a disk that takes its time and may be full.
import type { KeyFile } from '../../../aggregator/core/key-run.ts';
import { KeyFileError } from '../../../aggregator/key-files.ts';

export interface Disk {
  /** Resolves when a write is done. */
  wait(): Promise<void>;
  isFull(): boolean;
}

/** A file that is written at once, and always. */
export const idealDisk: Disk = { wait: () => Promise.resolve(), isFull: () => false };

export class MemoryKeyFile implements KeyFile {
  private readonly disk: Disk;
  bytes = Buffer.alloc(0);
  isClosed = false;

  constructor(disk: Disk = idealDisk) {
    this.disk = disk;
  }

  async append(bytes: Uint8Array): Promise<void> {
    const copy = Buffer.from(bytes);
    await this.disk.wait();
    if (this.disk.isFull()) throw new KeyFileError('a file of keys could not be written', new Error('no space left'));
    this.bytes = Buffer.concat([this.bytes, copy]);
  }

  readSync(into: Uint8Array, position: number): void {
    if (this.isClosed) throw new Error('the file was closed');
    if (this.bytes.copy(into, 0, position) < into.length) throw new Error(`nothing stands at ${position}`);
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    this.readSync(into, position);
  }

  close(): void {
    this.isClosed = true;
  }
}
