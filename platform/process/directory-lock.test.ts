import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { lockDirectory } from './directory-lock.ts';
import { startTimeOf } from './process-probe.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tallyline-lock-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('lockDirectory', () => {
  it('is held until it is released', () => {
    const release = lockDirectory(directory);
    expect(() => lockDirectory(directory)).toThrow(`in use by process ${process.pid}`);
    release();
    lockDirectory(directory)();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('passes over a lock whose holder is gone, was another process, or wrote half of it', async () => {
    const child = spawn('sleep', ['60']);
    const startTime = startTimeOf(child.pid!);
    expect(startTime).not.toBeNull();
    writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: child.pid, startTime }));
    expect(() => lockDirectory(directory)).toThrow(`in use by process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockDirectory(directory)();
    writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: process.pid, startTime: '1' }));
    lockDirectory(directory)();
    writeFileSync(join(directory, 'lock'), '{"pi');
    lockDirectory(directory)();
  });
});
