import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KeyFileError, newKeyFile } from './key-files.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallyline-key-files-'));
});
afterAll(() => rm(directory, { recursive: true }));

describe('a file of keys', () => {
  it('holds what was appended, and has no name', async () => {
    const file = await newKeyFile(directory);
    await file.append(Buffer.from('abc'));
    await file.append(Buffer.alloc(100_000, 'd'));
    await file.append(Buffer.from('ef'));
    expect(await readdir(directory)).toEqual([]);
    const into = Buffer.alloc(4);
    file.readSync(into, 1);
    expect(into.toString()).toBe('bcdd');
    await file.read(into, 100_001);
    expect(into.toString()).toBe('ddef');
    file.close();
  });

  it('says so where it ends too early', async () => {
    const file = await newKeyFile(directory);
    await file.append(Buffer.from('abc'));
    expect(() => file.readSync(Buffer.alloc(4), 0)).toThrow('a file of keys ends before byte 4');
    await expect(file.read(Buffer.alloc(2), 2)).rejects.toThrow('a file of keys ends before byte 4');
    file.close();
  });

  it('names the directory it could not be made in', async () => {
    const made = newKeyFile(join(directory, 'none'));
    await expect(made).rejects.toThrow(KeyFileError);
    await expect(made).rejects.toThrow(join(directory, 'none'));
  });
});
