// `tallyline demo` from its start to its end, small.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { tallyline } from '../support/processes/up.ts';
import { until } from '../support/until.ts';

const dir = mkdtempSync(join(tmpdir(), 'tallyline-demo-test-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('tallyline demo --exit', () => {
  it('streams, kills the aggregator, agrees with its oracle and leaves nothing behind', async () => {
    const { status, stdout, stderr } = await tallyline(['demo', '--exit', '--events', '1500', '--seed', '11']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/killed the aggregator \(SIGKILL to pid \d+\)/);
    expect(stdout).toContain('cus_shrunk goes from team to pay-as-you-go');
    expect(stdout).toContain('cus_left cancels team');
    expect(stdout).toMatch(/price list 2 holds from \S+ on/);
    expect(stdout).toMatch(/ {2}duplicate +\d+ +\d+ +0\n/);
    expect(stdout).toMatch(/ {2}plan team, USD +\d+\.\d+ +\d+\.\d+ +0\n/);
    expect(stdout).toContain('Everything agrees to the last digit.');
    const dataDir = /starting tallyline up on (\S+)/.exec(stdout)?.[1];
    expect(dataDir).toMatch(/tallyline-demo-/);
    expect(existsSync(dataDir!)).toBe(false);
  }, 600_000);

  it('streams a trace, every row once', async () => {
    const trace = join(dir, 'trace.csv');
    const rows = Array.from(
      { length: 300 },
      (_, i) => `2023-11-16 18:${String(i % 60).padStart(2, '0')}:03.9799600,100,10`,
    );
    writeFileSync(trace, ['TIMESTAMP,ContextTokens,GeneratedTokens', ...rows].join('\r\n'));
    const { status, stdout, stderr } = await tallyline(['demo', '--exit', '--trace', trace]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    // The markers of the freshness probe go to the first model.
    expect(stdout).toMatch(/ {2}input_tokens m-large +10,000 +10,000 +0\n/);
    expect(stdout).toMatch(/ {2}output_tokens m-nano +1,000 +1,000 +0\n/);
  }, 600_000);

  it('exits 1 and marks the rows when the installation counts what the demonstration did not send', async () => {
    const dataDir = join(dir, 'disturbed');
    const ended = tallyline(['demo', '--exit', '--events', '1500', '--data-dir', dataDir]);
    const edgeUrl = (): string | undefined => {
      const file = join(dataDir, 'stages.json');
      return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).edge?.url : undefined;
    };
    await until(() => edgeUrl() !== undefined, 'the edge is named in stages.json', 60_000);
    const event = { id: 'foreign', type: 'image.generation', subject: 'cus_0001', data: { images: 1, size: '512' } };
    const send = async (): Promise<boolean> => {
      const response = await fetch(`${edgeUrl()}/v1/events`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${readFileSync(join(dataDir, 'api-key'), 'utf8').trim()}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(event),
      });
      await response.arrayBuffer();
      return response.ok;
    };
    await until(send, 'the foreign event is taken', 60_000);
    const { status, stdout } = await ended;
    expect(stdout).toMatch(/✗ accepted .* \+1\n/);
    expect(stdout).toMatch(/✗ images 512 .* \+1\n/);
    expect(stdout).toMatch(/\d rows DIFFER\./);
    expect(status).toBe(1);
  }, 600_000);

  it('refuses a directory that holds something, and a trace that is none, each with the reason', async () => {
    const other = join(dir, 'other.csv');
    writeFileSync(other, 'a,b,c\n');
    const onFull = await tallyline(['demo', '--exit', '--data-dir', dir]);
    expect(onFull).toMatchObject({ status: 1, stderr: expect.stringContaining('is not empty') });
    const noTrace = await tallyline(['demo', '--exit', '--trace', other]);
    expect(noTrace).toMatchObject({ status: 1, stderr: expect.stringContaining(`${other}:1: expected the header`) });
  }, 300_000);
});
