// The files of core/key-run.ts on a disk of this machine. A file's name is removed as soon as it is open. So the disk
// is free again however the process ends, and nothing is lost: the keys can be read from ClickHouse again.
import { randomUUID } from 'node:crypto';
import { readSync } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyFile } from './core/key-run.ts';

/** The disk could not make or write a file. */
export class KeyFileError extends Error {
  constructor(what: string, cause: unknown) {
    super(`${what}: ${(cause as Error).message}`, { cause });
    this.name = 'KeyFileError';
  }
}

class UnnamedFile implements KeyFile {
  private readonly handle: FileHandle;
  private size = 0;

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await this.handle.write(bytes, at, bytes.length - at, this.size);
        at += bytesWritten;
        this.size += bytesWritten;
      }
    } catch (error) {
      throw new KeyFileError('a file of keys could not be written', error);
    }
  }

  readSync(into: Uint8Array, position: number): void {
    if (readSync(this.handle.fd, into, 0, into.length, position) < into.length) throw shorter(position, into);
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    for (let at = 0; at < into.length; ) {
      const { bytesRead } = await this.handle.read(into, at, into.length - at, position + at);
      if (bytesRead === 0) throw shorter(position, into);
      at += bytesRead;
    }
  }

  close(): void {
    // There is nothing left to lose.
    this.handle.close().catch(() => {});
  }
}

const shorter = (position: number, { length }: Uint8Array): Error =>
  new Error(`a file of keys ends before byte ${position + length}`);

/** A new file in `directory`. Rejects with a KeyFileError. */
export async function newKeyFile(directory: string): Promise<KeyFile> {
  const path = join(directory, `tallyline-keys-${randomUUID()}`);
  try {
    const handle = await open(path, 'wx+', 0o600);
    await unlink(path);
    return new UnnamedFile(handle);
  } catch (error) {
    throw new KeyFileError('a file of keys could not be made', error);
  }
}
