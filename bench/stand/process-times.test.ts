import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ProcessTimes } from './process-times.ts';

const BUSY_MS = 150;
const busy = `const until = process.cpuUsage().user + ${BUSY_MS * 1_000}; while (process.cpuUsage().user < until);`;

/** Says "done" once it and a child of its own, which has ended by then, were busy. */
const program = `
  require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(busy)}]);
  ${busy}
  console.log('done'); setInterval(() => {}, 1000);`;

const isLinux = process.platform === 'linux';
if (!isLinux) console.warn('skipped: process times are read from /proc, which only Linux has');
const children: ReturnType<typeof spawn>[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

(isLinux ? describe : describe.skip)('process times', () => {
  it('are those of a process and of its children that ended, from the start of the measurement', async () => {
    const times = new ProcessTimes();
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    times.add(child.pid!, 'worker');
    await once(createInterface({ input: child.stdout! }), 'line');
    expect(times.cpuMicros().worker).toBeGreaterThanOrEqual(2 * BUSY_MS * 1_000);
    expect(times.memoryBytes().worker).toBeGreaterThan(1_000_000);

    const stop = times.start();
    expect(stop().worker).toBeLessThan(BUSY_MS * 1_000);
    times.remove(child.pid!);
    expect(times.cpuMicros()).toEqual({});
  });
});
