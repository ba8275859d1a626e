import { describe, expect, it } from '@jest/globals';
import { aMeter } from '../../test/support/a-meter.ts';
import { ofSubjects, type RatedUsageSelection, readFirstSeen, readRatedUsage, subjectBytes } from './rated-usage.ts';
import { countedRowsCondition, sealedRowsCondition } from './sealed-rows.ts';

const selection: RatedUsageSelection = {
  subjects: [
    { tenant: 't', subject: 'a' },
    { tenant: 'u', subject: 'a' },
  ],
  ...{ meter: aMeter('tokens'), from: 0, to: 3_600_000, buckets: 'window' },
  taken: [{ from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY, match: [], leftOut: [] }],
  sealed: {
    vector: { 1: { 0: 9, 1: 0 } },
    epochSteps: [
      { generation: 1, partition: 0, fromChunk: 0, epoch: 1n },
      { generation: 1, partition: 0, fromChunk: 5, epoch: 3n },
    ],
    recountRuns: [],
  },
};

interface Asked {
  sql: string;
  params: Readonly<Record<string, unknown>>;
}

const sets = selection.subjects.map((subject) => [{ ...subject, from: selection.from, to: selection.to }]);

async function asked(read: typeof readRatedUsage | typeof readFirstSeen): Promise<Asked> {
  const found: Asked = { sql: '', params: {} };
  await read(
    {
      query: async (sql, params = {}) => {
        Object.assign(found, { sql, params });
        return [];
      },
    },
    { ...selection, sets },
  );
  return found;
}

describe.each([
  ['readRatedUsage', readRatedUsage],
  ['readFirstSeen', readFirstSeen],
] as const)('%s', (_, read) => {
  it('asks of every row what is in the key of the table, and of no row that was replaced anything else', async () => {
    const { sql } = await asked(read);
    const [, prewhere, rest] = /PREWHERE (.*) WHERE (.*?) GROUP BY/.exec(sql)!;
    const columns = [...prewhere!.matchAll(/r\.(\w+)/g)].map(([, name]) => name);
    expect(new Set(columns)).toEqual(new Set(['tenant', 'meter', 'window_start', 'subject']));
    expect(rest).toContain('r.epoch');
  });

  it('never filters on the version: FINAL would then give rows that were replaced', async () => {
    const { sql, params } = await asked(read);
    expect(sql).toContain('FINAL');
    expect(sql).not.toContain('version');
    expect(params).toMatchObject({
      ...{ sealed_partitions: [65_536], sealed_chunks: [9], epoch_firsts: [1n] },
      ...{ step_chunks: [5], step_epochs: [3n] },
    });
  });
});

describe('subjects in a statement', () => {
  it('are told by their name where all are of one tenant, else with it', () => {
    const [a, b] = selection.subjects;
    expect(ofSubjects([a!, { tenant: 't', subject: 'b' }])).toBe("r.subject IN ('a', 'b') AND r.tenant IN ('t')");
    expect(ofSubjects([a!, b!])).toBe("(r.tenant, r.subject) IN (('t', 'a'), ('u', 'a'))");
  });

  it('cannot end the text that they stand in, and count by what they take', () => {
    const hostile = { tenant: "x'} OR 1=1 --", subject: "\\') OR ('\0\n\x7fé" };
    expect(ofSubjects([hostile])).toBe(
      String.raw`r.subject IN ('\\\') OR (\'\x00\x0a\x7fé') AND r.tenant IN ('x\'} OR 1=1 --')`,
    );
    const pair = ofSubjects([hostile, { tenant: '', subject: '' }]).length;
    expect(subjectBytes(hostile)).toBeGreaterThanOrEqual(pair - "(r.tenant, r.subject) IN ((), ('', ''))".length);
  });
});

describe('sealed rows', () => {
  it('are none before the first seal', () => {
    expect(sealedRowsCondition({ vector: { 1: { 0: 0 } }, epochSteps: [], recountRuns: [] }).sql).toBe('0');
  });

  it('take one look-up where a partition had one owner', () => {
    const { sql } = countedRowsCondition([{ generation: 1, partition: 0, fromChunk: 0, epoch: 1n }], []);
    expect(sql).not.toContain('arrayExists');
  });
});
