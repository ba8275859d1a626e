// API keys: 256 random bits, shown once, stored as their SHA-256.
import { hash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { nameFault } from '../../domain/name-text.ts';

export interface ApiKey {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly createdAt: Date;
  readonly revokedAt: Date | null;
  readonly isOperator: boolean;
}

export interface KeyRights {
  /** Whoever has it runs the installation: it may see what concerns all tenants together. */
  readonly operator?: boolean;
}

export const newApiKey = (): string => `tl_${randomBytes(32).toString('base64url')}`;

const newId = (): string => `key_${randomBytes(9).toString('base64url')}`;

/**
 * Why a text can't name a tenant, in words that follow "must"; null when it can: it stands in every row and on every
 * bill.
 */
export const tenantFault = (tenant: string): string | null => (tenant === '' ? 'not be empty' : nameFault(tenant));

/** Makes a key of `tenant`. The key itself is nowhere but in the answer. */
export async function createApiKey(
  pool: pg.Pool,
  tenant: string,
  name: string,
  rights: KeyRights = {},
): Promise<{ id: string; key: string }> {
  const key = newApiKey();
  const id = await storeApiKey(pool, key, tenant, name, rights);
  return { id, key };
}

/**
 * Stores a key if it is not there yet, and returns its id. A key that was revoked stays so; rights are added to it,
 * never taken.
 */
export async function storeApiKey(
  pool: pg.Pool,
  key: string,
  tenant: string,
  name: string,
  { operator = false }: KeyRights = {},
): Promise<string> {
  const fault = tenantFault(tenant);
  if (fault !== null) throw new RangeError(`a tenant must ${fault}`);
  const { rows } = await pool.query<{ id: string }>(
    `INSERT INTO tallyline.api_keys AS key (id, tenant, name, key_hash, operator) VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT (key_hash) DO UPDATE SET operator = key.operator OR excluded.operator
      RETURNING id`,
    [newId(), tenant, name, hash('sha256', key, 'buffer'), operator],
  );
  return rows[0]!.id;
}

/** Newest last; of one tenant, or of all. */
export async function listApiKeys(pool: pg.Pool, tenant: string | null): Promise<ApiKey[]> {
  const { rows } = await pool.query<ApiKey>(
    `SELECT id, tenant, name, created_at AS "createdAt", revoked_at AS "revokedAt", operator AS "isOperator"
      FROM tallyline.api_keys
      WHERE $1::text IS NULL OR tenant = $1 ORDER BY created_at, id`,
    [tenant],
  );
  return rows;
}

/** False where there is no such key. Revoking again changes nothing. */
export async function revokeApiKey(pool: pg.Pool, id: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    'UPDATE tallyline.api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1',
    [id],
  );
  return rowCount === 1;
}

/** The tenants that have a key, revoked or not. */
export async function readKeyTenants(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ tenant: string }>('SELECT DISTINCT tenant FROM tallyline.api_keys');
  return rows.map((row) => row.tenant);
}
