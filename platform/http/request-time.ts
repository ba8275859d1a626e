// The time that a request may take, from its route on.
import type { FastifyReply } from 'fastify';
import { RequestBudget } from '../calls/request-budget.ts';

/** Does the work within so much time, and only while the client waits for it. */
export async function inRequestTime<Result>(
  reply: FastifyReply,
  timeoutMs: number,
  work: (budget: RequestBudget) => Promise<Result>,
): Promise<Result> {
  const budget = new RequestBudget(timeoutMs);
  // A client that goes away gives back what its request holds.
  const gone = (): void => budget.clientGone();
  reply.raw.once('close', gone);
  try {
    return await work(budget);
  } finally {
    reply.raw.off('close', gone);
    budget.end();
  }
}
