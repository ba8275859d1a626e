// What every route of accounts is: a function from who asks and what for to an answer, given Postgres for the time that
// the request has. Whatever it throws becomes a problem document, and nothing of it is done.
import { hash } from 'node:crypto';
import type { Catalog } from '../domain/catalog/catalog.ts';
import { Problem, retryAfter } from '../domain/problem.ts';
import type { RatingCatalog } from '../domain/rating/rating-catalog.ts';
import type { QueryParameters, ReadParameters } from '../domain/requests/parameters.ts';
import type { Scope } from '../platform/access/scopes.ts';
import type { AccountKind, Author } from '../platform/account-store/account-changes.ts';
import { type AccountAnswer, answerOnce } from '../platform/account-store/idempotent-answers.ts';
import type { Vault } from '../platform/account-store/vault.ts';
import type { Applied, ApplyOptions } from '../platform/catalog-publishing/apply-catalog.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import type { Queries } from '../platform/postgres/table-columns.ts';
import { readIdempotencyKey } from './core/request-headers.ts';

/** A transaction that changes accounts of one tenant. */
export interface AccountTransaction extends Queries {
  /** To be counted once it is committed. */
  changed(kind: AccountKind): void;
}

export interface AccountContext {
  readonly vault: Vault;
  /** Each statement by itself. */
  readonly reads: Queries;
  /** What is counted. It may be away while accounts can be changed. */
  readonly usage: Pick<ClickHouse, 'query'>;
  /** The tenant's catalog that is published by now, and its history. */
  readonly catalogs: () => Promise<RatingCatalog>;
  /**
   * Makes a catalog the newest of the tenant, and publishes it. Throws a `Problem`; where the time of the request is
   * spent meanwhile it may be done all the same, and the same request then finds it.
   */
  publish(catalog: Catalog, source: string, options: ApplyOptions): Promise<Applied>;
  /** All of it or nothing; another try may find that it was done. */
  change<Result>(work: (transaction: AccountTransaction) => Promise<Result>): Promise<Result>;
}

export interface AccountRequest {
  readonly author: Author;
  /** What varies in the path, decoded, by its names. */
  readonly path: Readonly<Record<string, string>>;
  readonly parameters: QueryParameters;
  /** As JSON.parse gave it, or a YamlText where the route takes one; undefined: there was none. */
  readonly body: unknown;
  readonly ifMatch: string | undefined;
  readonly idempotencyKey: string | undefined;
}

export type AccountAct = (context: AccountContext, request: AccountRequest) => Promise<AccountAnswer>;

export interface AccountRoute {
  readonly method: 'GET' | 'PUT' | 'POST';
  /** As the OpenAPI document has it. */
  readonly path: string;
  readonly scope: Scope;
  /**
   * Which part of the path names the customer that it is about: a key that is limited to that customer may ask too.
   * Left out: no such key may.
   */
  readonly customerIn?: string;
  readonly parameters: ReadParameters;
  /** Whether its body may be YAML. Left out: it is JSON. */
  readonly takesYaml?: true;
  readonly act: AccountAct;
}

/** The answer of a list, or of whatever is no object with a version. */
export const listAnswer = (body: unknown): AccountAnswer => ({ status: 200, version: null, body });

const inProgress = (): Problem =>
  new Problem('in_progress', 'A request with this Idempotency-Key is being done. Send it again.', {
    headers: retryAfter(1),
  });

const keyConflict = (): Problem =>
  new Problem('idempotency_conflict', 'This Idempotency-Key was sent with another request. Use a new one for this.');

/**
 * A POST that is done once by its Idempotency-Key: `act` runs in one transaction with the answer that is stored, and
 * the same request has that answer from then on. `route`: the path, where keys are one name space each.
 */
export const doneOnce =
  (
    route: string,
    act: (transaction: AccountTransaction, context: AccountContext, request: AccountRequest) => Promise<AccountAnswer>,
  ): AccountAct =>
  (context, request) => {
    const key = readIdempotencyKey(request.idempotencyKey);
    const said = [request.path, request.parameters, request.body ?? null, request.ifMatch ?? null];
    const digest = hash('sha256', JSON.stringify(said), 'buffer');
    const name = { tenant: request.author.tenant, route, key, digest };
    return context.change(async (transaction) => {
      const answer = await answerOnce(transaction, name, () => act(transaction, context, request));
      if (answer === 'in_progress') throw inProgress();
      if (answer === 'conflict') throw keyConflict();
      return answer;
    });
  };
