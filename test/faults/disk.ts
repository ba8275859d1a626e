// A small disk of its own for a store, which a test fills up and clears again: a tmpfs, which root may mount.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BLOCK_BYTES = 65_536;

/** Null when disks can be mounted here; otherwise why not, in one line. */
export function diskUnavailable(): string | null {
  if (process.platform !== 'linux') return `a full disk is made with a tmpfs, which ${process.platform} has not`;
  try {
    Disk.mount(1).remove();
    return null;
  } catch (error) {
    return `a full disk cannot be made here: ${(error as Error).message}`;
  }
}

export class Disk {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static mount(megabytes: number): Disk {
    const directory = mkdtempSync(join(tmpdir(), 'tallyline-disk-'));
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory], {
      encoding: 'utf8',
    });
    if (status !== 0) {
      rmSync(directory, { recursive: true, force: true });
      throw new Error(`mounting a tmpfs needs root: ${stderr?.trim()}`);
    }
    const disk = new Disk(directory);
    process.once('exit', disk.remove);
    return disk;
  }

  /** Below the mount, so that it may be given another owner. */
  get data(): string {
    return join(this.directory, 'data');
  }

  /** Leaves no byte free. */
  fill(): void {
    const file = openSync(join(this.directory, 'ballast'), 'a');
    try {
      for (let bytes = BLOCK_BYTES; bytes >= 1; ) {
        try {
          writeSync(file, Buffer.alloc(bytes));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          bytes = Math.floor(bytes / 4);
        }
      }
    } finally {
      closeSync(file);
    }
  }

  clear(): void {
    rmSync(join(this.directory, 'ballast'), { force: true });
  }

  readonly remove = (): void => {
    process.off('exit', this.remove);
    spawnSync('umount', ['-l', this.directory]);
    rmSync(this.directory, { recursive: true, force: true });
  };
}
