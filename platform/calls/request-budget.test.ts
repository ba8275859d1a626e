import { describe, expect, it } from '@jest/globals';
import { BudgetSpent, ClientGone, RequestBudget, withinBudget } from './request-budget.ts';

const never = (): Promise<never> => new Promise(() => {});

describe('the budget of a request', () => {
  it('is one for all that the request waits for', async () => {
    const budget = new RequestBudget(60);
    expect(await budget.within('Postgres', async () => 1)).toBe(1);
    await expect(budget.within(['Postgres', 'ClickHouse'], never)).rejects.toMatchObject({
      name: 'BudgetSpent',
      waitedFor: ['Postgres', 'ClickHouse'],
    });
    expect(budget.signal.aborted).toBe(true);
    let asked = false;
    const ask = async (): Promise<void> => {
      asked = true;
    };
    await expect(budget.within('Postgres', ask)).rejects.toBeInstanceOf(BudgetSpent);
    expect([asked, budget.leftMs]).toEqual([false, 1]);
  });

  it('is over when the client is gone', async () => {
    const budget = new RequestBudget(60_000);
    const waiting = budget.within('ClickHouse', never);
    budget.clientGone();
    await expect(waiting).rejects.toBeInstanceOf(ClientGone);
    budget.end();
  });

  it('hands an error on as it is, and swallows what comes too late', async () => {
    const budget = new RequestBudget(30);
    await expect(budget.within('Postgres', () => Promise.reject(new RangeError('no')))).rejects.toThrow('no');
    let fail: (error: Error) => void = () => {};
    const late = budget.within('Postgres', () => new Promise((_, reject) => (fail = reject)));
    await expect(late).rejects.toBeInstanceOf(BudgetSpent);
    // A rejection that is nobody's would end the process, and this test.
    fail(new Error('late'));
    await new Promise(setImmediate);
  });

  it('may belong to a piece of work', async () => {
    await expect(withinBudget(10, (budget) => budget.within('the event log', never))).rejects.toThrow(
      'no answer of the event log within the 10 ms of the request',
    );
    expect(await withinBudget(10_000, async () => 'done')).toBe('done');
  });
});
