// What a POST was answered, stored in the transaction of its effect (P6): the same key and request have the same
// answer, and the effect once. What is refused or fails is not stored, as nothing was done by it. No answer that is
// stored here has a personal field: it would outlive an erasure.
import pg from 'pg';
import type { Queries } from '../postgres/table-columns.ts';

/** How long an answer is kept. */
export const ANSWERS_KEPT_DAYS = 30;
/** How long a request waits for another one with its key that is being done. */
const WAIT_MS = 100;
const LOCK_NOT_AVAILABLE = '55P03';
/** Rows of a sweep, so that none takes long. */
const SWEEP_ROWS = 1_000;

export interface AccountAnswer {
  readonly status: number;
  /** Of the account object that the answer is about; null: it is about none. */
  readonly version: number | null;
  readonly body: unknown;
}

export interface RequestName {
  readonly tenant: string;
  /** The path without what varies in it. */
  readonly route: string;
  readonly key: string;
  /** Of everything else that the request says. */
  readonly digest: Buffer;
}

/** `conflict`: the key was used for another request. `in_progress`: a request with this key is being done. */
export type AnswerOnce = AccountAnswer | 'conflict' | 'in_progress';

/** `work` in the transaction of `queries`, or what it came to before. After `in_progress` the transaction is broken. */
export async function answerOnce(
  queries: Queries,
  { tenant, route, key, digest }: RequestName,
  work: () => Promise<AccountAnswer>,
): Promise<AnswerOnce> {
  const name = [tenant, route, key];
  const setWait = (wait: string) => queries.query("SELECT set_config('lock_timeout', $1, true)", [wait]);
  await setWait(`${WAIT_MS}ms`);
  try {
    // Waits for a transaction that has written the same row and not ended yet.
    const { rows } = await queries.query(
      `INSERT INTO tallyline.idempotent_answers (tenant, route, key, digest) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING RETURNING 1 AS made`,
      [...name, digest],
    );
    if (rows.length === 0) return await readAnswer(queries, name, digest);
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === LOCK_NOT_AVAILABLE) return 'in_progress';
    throw error;
  }
  await setWait('0');
  const answer = await work();
  await queries.query(
    `UPDATE tallyline.idempotent_answers SET status = $4, version = $5, body = $6
     WHERE tenant = $1 AND route = $2 AND key = $3`,
    [...name, answer.status, answer.version, JSON.stringify(answer.body)],
  );
  return answer;
}

async function readAnswer(queries: Queries, name: readonly string[], digest: Buffer): Promise<AnswerOnce> {
  const { rows } = await queries.query<{ digest: Buffer } & AccountAnswer>(
    `SELECT digest, status, version, body FROM tallyline.idempotent_answers
     WHERE tenant = $1 AND route = $2 AND key = $3`,
    [...name],
  );
  const [stored] = rows;
  // It was swept between the two statements.
  if (stored === undefined) return 'in_progress';
  const { status, version, body } = stored;
  return stored.digest.equals(digest) ? { status, version, body } : 'conflict';
}

/** Deletes some of the answers that are older than they are kept, of all tenants; returns how many. */
export async function sweepAnswers(queries: Queries): Promise<number> {
  const { rows } = await queries.query(
    `DELETE FROM tallyline.idempotent_answers WHERE (tenant, route, key) IN (
       SELECT tenant, route, key FROM tallyline.idempotent_answers
       WHERE made_at < now() - make_interval(days => $1) ORDER BY made_at LIMIT $2 FOR UPDATE SKIP LOCKED
     ) RETURNING 1 AS swept`,
    [ANSWERS_KEPT_DAYS, SWEEP_ROWS],
  );
  return rows.length;
}
