// API keys as they are stored: each of one tenant, shown once and kept as its SHA-256. Whatever makes or changes one
// appends the change in the same transaction, under the lock of the key's row.
import { hash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { nameFault } from '../../domain/name-text.ts';
import { type Author, appendChanges } from '../account-store/account-changes.ts';
import { inTransaction } from '../postgres/pool.ts';
import type { Queries } from '../postgres/table-columns.ts';
import { newApiKey, prefixOf } from './key-form.ts';
import { type Scope, scopeNames, usualScopes } from './scopes.ts';

export interface KeyRights {
  /** Default: `usualScopes`. */
  readonly scopes?: readonly Scope[];
  /** Whose events it sends and reads alone; default: of all. Only with the scopes `ingest` and `read`. */
  readonly customer?: string | null;
  /** Whoever has it runs the installation: it may see what concerns all tenants together. */
  readonly operator?: boolean;
  readonly expiresAt?: Date | null;
}

export interface ApiKey {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  /** Null: it was made before keys had one. */
  readonly prefix: string | null;
  readonly scopes: readonly Scope[];
  readonly customer: string | null;
  readonly isOperator: boolean;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  /** Whether it was when it was read. */
  readonly isExpired: boolean;
  /** To the minute or two. */
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
  /** The id of the key that takes its place. */
  readonly replacedBy: string | null;
}

interface StoredKey extends Omit<ApiKey, 'isExpired' | 'lastUsedAt'> {
  readonly version: number;
  readonly changedAt: Date;
}

const KEY_FIELDS = `key.id, key.tenant, key.name, key.prefix, key.scopes, key.customer, key.operator AS "isOperator",
  key.created_at AS "createdAt", key.expires_at AS "expiresAt", key.revoked_at AS "revokedAt",
  key.replaced_by AS "replacedBy"`;
const STORED_FIELDS = `${KEY_FIELDS}, key.version, key.changed_at AS "changedAt"`;
/** Of a change of a row: never before the one before, and in milliseconds, as it is told. */
const CHANGED = `version = key.version + 1,
  changed_at = greatest(date_trunc('milliseconds', clock_timestamp()), key.changed_at)`;

const newId = (): string => `key_${randomBytes(9).toString('base64url')}`;

/**
 * Why a text can't name a tenant, in words that follow "must"; null when it can: it stands in every row and on every
 * bill.
 */
export const tenantFault = (tenant: string): string | null => (tenant === '' ? 'not be empty' : nameFault(tenant));

/** Why there can be no key with these rights; null: there can. */
export function rightsFault({ scopes = usualScopes, customer = null, operator = false }: KeyRights): string | null {
  if (scopes.length === 0) return 'a key needs a scope';
  if (customer === null) return null;
  const fault = customer === '' ? 'not be empty' : nameFault(customer);
  if (fault !== null) return `a customer must ${fault}`;
  const beyond = scopes.find((scope) => !usualScopes.includes(scope));
  if (beyond !== undefined) return `a key with the scope ${beyond} can't be limited to a customer`;
  return operator ? "an operator's key can't be limited to a customer" : null;
}

/** What the change log says of a key: everything but what it is compared by, and when it was used. */
async function recordKeyChange(queries: Queries, actor: string, key: StoredKey, reason: string | null): Promise<void> {
  const { tenant, id, version, name, prefix, scopes, customer, isOperator, replacedBy } = key;
  const after = {
    ...{ name, prefix, scopes, customer, operator: isOperator, replacedBy },
    ...{ expiresAt: key.expiresAt?.getTime() ?? null, revokedAt: key.revokedAt?.getTime() ?? null },
  };
  const recordedAt = key.changedAt.getTime();
  await appendChanges(queries, [
    { tenant, kind: 'key', id, version, actor, reason, recordedAt, after, personal: null },
  ]);
}

/** In the order in which they are listed everywhere. */
const inOrder = (scopes: readonly Scope[]): Scope[] => scopeNames.filter((name) => scopes.includes(name));

/** Null: a key like it is there already. */
async function insertKey(
  queries: Queries,
  { tenant, actor }: Author,
  key: string,
  name: string,
  rights: KeyRights,
): Promise<StoredKey | null> {
  const fault = tenantFault(tenant);
  if (fault !== null) throw new RangeError(`a tenant must ${fault}`);
  const wrong = rightsFault(rights);
  if (wrong !== null) throw new RangeError(wrong);
  const { scopes = usualScopes, customer = null, operator = false, expiresAt = null } = rights;
  const { rows } = await queries.query<StoredKey>(
    `INSERT INTO tallyline.api_keys AS key
       (id, tenant, name, key_hash, prefix, scopes, customer, operator, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (key_hash) DO NOTHING RETURNING ${STORED_FIELDS}`,
    [
      ...[newId(), tenant, name, hash('sha256', key, 'buffer'), prefixOf(key), inOrder(scopes), customer, operator],
      expiresAt,
    ],
  );
  const [made] = rows;
  if (made === undefined) return null;
  await recordKeyChange(queries, actor, made, null);
  return made;
}

/** Makes a key of the author's tenant. The key itself is nowhere but in the answer. */
export async function createApiKey(
  pool: pg.Pool,
  author: Author,
  name: string,
  rights: KeyRights = {},
): Promise<{ id: string; key: string }> {
  const key = newApiKey();
  const made = await inTransaction(pool, (queries) => insertKey(queries, author, key, name, rights));
  return { id: made!.id, key };
}

/**
 * Stores a key if it is not there yet, and returns its id. A key that was revoked stays so; scopes and an operator's
 * right are added to it, and nothing is taken.
 */
export function storeApiKey(
  pool: pg.Pool,
  key: string,
  author: Author,
  name: string,
  rights: KeyRights = {},
): Promise<string> {
  const { scopes = usualScopes, operator = false } = rights;
  return inTransaction(pool, async (queries) => {
    const made = await insertKey(queries, author, key, name, rights);
    if (made !== null) return made.id;
    const { rows } = await queries.query<StoredKey>(
      `SELECT ${STORED_FIELDS} FROM tallyline.api_keys key WHERE key.key_hash = $1 FOR UPDATE`,
      [hash('sha256', key, 'buffer')],
    );
    const stored = rows[0]!;
    const wanted = inOrder([...stored.scopes, ...scopes]);
    if (wanted.length === stored.scopes.length && (stored.isOperator || !operator)) return stored.id;
    const { rows: changed } = await queries.query<StoredKey>(
      `UPDATE tallyline.api_keys key SET scopes = $2, operator = key.operator OR $3, ${CHANGED}
       WHERE key.id = $1 RETURNING ${STORED_FIELDS}`,
      [stored.id, wanted, operator],
    );
    await recordKeyChange(queries, author.actor, changed[0]!, null);
    return stored.id;
  });
}

/** Newest last; of one tenant, or of all. */
export async function listApiKeys(pool: pg.Pool, tenant: string | null): Promise<ApiKey[]> {
  const { rows } = await pool.query<ApiKey>(
    `SELECT ${KEY_FIELDS}, key.last_used_at AS "lastUsedAt",
       coalesce(key.expires_at <= clock_timestamp(), false) AS "isExpired"
      FROM tallyline.api_keys key
      WHERE $1::text IS NULL OR key.tenant = $1 ORDER BY key.created_at, key.id`,
    [tenant],
  );
  return rows;
}

async function lockKey(queries: Queries, id: string): Promise<(StoredKey & { readonly isExpired: boolean }) | null> {
  const { rows } = await queries.query<StoredKey & { isExpired: boolean }>(
    `SELECT ${STORED_FIELDS}, coalesce(key.expires_at <= clock_timestamp(), false) AS "isExpired"
     FROM tallyline.api_keys key WHERE key.id = $1 FOR UPDATE`,
    [id],
  );
  return rows[0] ?? null;
}

/** False where there is no such key. Revoking again changes nothing. */
export function revokeApiKey(pool: pg.Pool, actor: string, id: string, reason: string | null = null): Promise<boolean> {
  return inTransaction(pool, async (queries) => {
    const locked = await lockKey(queries, id);
    if (locked === null) return false;
    if (locked.revokedAt !== null) return true;
    const { rows } = await queries.query<StoredKey>(
      `UPDATE tallyline.api_keys key SET revoked_at = date_trunc('milliseconds', clock_timestamp()), ${CHANGED}
       WHERE key.id = $1 RETURNING ${STORED_FIELDS}`,
      [id],
    );
    await recordKeyChange(queries, actor, rows[0]!, reason);
    return true;
  });
}

export interface Rotation {
  /** How long the key goes on beside the one that takes its place. */
  readonly overlapMs: number;
  /** Of the new key; undefined: it lives as long as the old one was to live from its making on. */
  readonly expiresAt?: Date | null;
}

/** Why a key can't be rotated; null: it can. */
function rotationFault({ revokedAt, isExpired, replacedBy }: Pick<ApiKey, 'revokedAt' | 'isExpired' | 'replacedBy'>) {
  if (revokedAt !== null) return 'it was revoked';
  if (replacedBy !== null) return `${replacedBy} takes its place already`;
  return isExpired ? 'it has expired' : null;
}

const successorEnd = ({ createdAt, expiresAt }: StoredKey): Date | null =>
  expiresAt === null ? null : new Date(Date.now() + expiresAt.getTime() - createdAt.getTime());

/** Makes a key with the rights of another one, which then ends after the overlap. Throws where that can't be. */
export function rotateApiKey(
  pool: pg.Pool,
  actor: string,
  id: string,
  { overlapMs, expiresAt }: Rotation,
): Promise<{ id: string; key: string; oldExpiresAt: Date } | null> {
  const key = newApiKey();
  return inTransaction(pool, async (queries) => {
    const old = await lockKey(queries, id);
    if (old === null) return null;
    const fault = rotationFault(old);
    if (fault !== null) throw new Error(`${id} can't be rotated: ${fault}`);
    const { tenant, name, scopes, customer, isOperator: operator } = old;
    const rights = { scopes, customer, operator, expiresAt: expiresAt === undefined ? successorEnd(old) : expiresAt };
    const made = (await insertKey(queries, { tenant, actor }, key, name, rights))!;
    const { rows } = await queries.query<StoredKey>(
      `UPDATE tallyline.api_keys key SET replaced_by = $2, ${CHANGED}, expires_at = least(key.expires_at,
         date_trunc('milliseconds', clock_timestamp()) + make_interval(secs => $3::float8 / 1000))
       WHERE key.id = $1 RETURNING ${STORED_FIELDS}`,
      [id, made.id, overlapMs],
    );
    await recordKeyChange(queries, actor, rows[0]!, 'rotated');
    return { id: made.id, key, oldExpiresAt: rows[0]!.expiresAt! };
  });
}
