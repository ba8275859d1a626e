// Which windows a step keeps of those that it finds: all that may be of customers of its shards.
import { describe, expect, it } from '@jest/globals';
import type { TenantSubject } from '../../domain/accounts/ownership.ts';
import { SHARDS, shardOf } from '../../domain/accounts/shard.ts';
import type { SubjectKey } from '../../domain/billing/billing-period-terms.ts';
import { ShardWindows } from './shard-windows.ts';

const tenant = 'acme';
const names = Array.from({ length: 200 }, (_, i) => `cus_${i}`);
const inShard = (shard: number): string[] => names.filter((name) => shardOf(tenant, name) === shard);
const windows = names.flatMap((subject) => [0, 3_600_000].map((windowStart) => ({ tenant, subject, windowStart })));

async function kept(shards: readonly number[], assigned: readonly TenantSubject[] = []) {
  const asked: SubjectKey[] = [];
  const store = {
    readAssigned: async (subjects: readonly SubjectKey[]) => {
      asked.push(...subjects);
      return assigned.filter(({ subject }) => subjects.some((each) => each.subject === subject));
    },
  };
  const found = new ShardWindows(store, new Set(shards));
  await found.add(windows);
  // The same again, as another meter or chunk has them.
  await found.add(windows.slice(0, 10));
  await found.lookAtOthers();
  return { subjects: [...(found.touched.get(tenant)?.keys() ?? [])].sort(), size: found.size, asked: asked.length };
}

describe('the windows of a step', () => {
  it('are all where it has all shards, and nobody is asked', async () => {
    const all = Array.from({ length: SHARDS }, (_, shard) => shard);
    expect(await kept(all)).toEqual({ subjects: [...names].sort(), size: windows.length, asked: 0 });
  });

  it('are those of subjects of its shards, each once', async () => {
    const ours = [...inShard(3), ...inShard(40)].sort();
    expect(ours.length).toBeGreaterThan(1);
    const { subjects, size } = await kept([3, 40]);
    expect([subjects, size]).toEqual([ours, ours.length * 2]);
  });

  it('are those of subjects of other names too that a customer of its shards ever had', async () => {
    const [customer] = inShard(3);
    const [subject, other] = inShard(40);
    const had: TenantSubject[] = [
      {
        tenant,
        subject: subject!,
        assignments: [
          { from: 0, customer: customer! },
          { from: 9, customer: 'nobody' },
        ],
      },
      { tenant, subject: other!, assignments: [{ from: 0, customer: other! }] },
    ];
    expect((await kept([3], had)).subjects).toEqual([...inShard(3), subject!].sort());
  });
});
