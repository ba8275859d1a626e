// `tallyline keys create | list | rotate | revoke`: API keys, each of one tenant.
import type { Command } from 'commander';
import type { ApiKey, KeyRights } from '../../platform/access/api-key-store.ts';
import { commandActor, commandContext, type DataDirOption, withDataDir } from '../command-context.ts';
import { keyEnd, keyOverlapMs, keyScopes } from '../key-options.ts';
import { printJson, printLine, printNote, printRow } from '../output.ts';

async function withPool(option: DataDirOption, work: (pool: import('pg').Pool) => Promise<void>): Promise<void> {
  const { openReachablePool } = await import('../stores.ts');
  const { assertMigrated } = await import('../../platform/migrations/migrate.ts');
  const { settings, logger } = commandContext(option);
  const pool = await openReachablePool(settings, logger, 'tallyline keys');
  try {
    await assertMigrated(pool);
    await work(pool);
  } finally {
    await pool.end();
  }
}

function stateOf({ revokedAt, expiresAt, isExpired, replacedBy }: ApiKey): string {
  if (revokedAt !== null) return `revoked ${revokedAt.toISOString()}`;
  if (isExpired) return `expired ${expiresAt!.toISOString()}`;
  const until = expiresAt === null ? 'active' : `active until ${expiresAt.toISOString()}`;
  return replacedBy === null ? until : `${until}, replaced by ${replacedBy}`;
}

const rightsOf = ({ scopes, customer, isOperator }: ApiKey): string =>
  [...scopes, ...(isOperator ? ['operator'] : []), ...(customer === null ? [] : [`of ${customer}`])].join(' ');

const collected = (value: string, before: readonly string[]): readonly string[] => [...before, value];
const noSuchKey = (id: string): Error =>
  new Error(`there is no key ${id}: \`tallyline keys list\` shows those there are`);

interface CreateOptions extends DataDirOption {
  readonly tenant: string;
  readonly name: string;
  readonly scope: readonly string[];
  readonly customer?: string;
  readonly expires?: string;
  readonly operator: boolean;
}

function registerCreate(keys: Command): void {
  withDataDir(keys.command('create'))
    .description('make a key and print it: it is not shown again')
    .requiredOption('--tenant <tenant>', 'whose usage it reads and writes')
    .option('--scope <scope>', 'ingest, read, manage or admin; repeatable. Without: ingest and read', collected, [])
    .option('--customer <customer>', 'it sends and reads events of this customer alone')
    .option('--expires <when>', 'after a time such as 90d, or at an instant')
    .option('--name <name>', 'what it is for', '')
    .option('--operator', 'it may also see what concerns all tenants together: the offsets of the log', false)
    .action(async ({ tenant, name, scope, customer, expires, operator, ...options }: CreateOptions) => {
      const { createApiKey, rightsFault, tenantFault } = await import('../../platform/access/api-key-store.ts');
      const fault = tenantFault(tenant);
      if (fault !== null) throw new Error(`--tenant must ${fault}`);
      const scopes = keyScopes(scope);
      const expiresAt = expires === undefined ? null : keyEnd(expires, Date.now());
      const rights: KeyRights = { scopes, customer: customer ?? null, operator, expiresAt };
      const wrong = rightsFault(rights);
      if (wrong !== null) throw new Error(wrong);
      await withPool(options, async (pool) => {
        const { id, key } = await createApiKey(pool, { tenant, actor: commandActor() }, name, rights);
        printNote(`created ${id} for tenant ${tenant} (${scopes.join(', ')}); the key is not shown again:`);
        printLine(key);
      });
    });
}

function registerList(keys: Command): void {
  withDataDir(keys.command('list'))
    .description('the keys there are, without the keys themselves')
    .option('--tenant <tenant>', 'of one tenant only')
    .option('--json', 'one JSON object a line', false)
    .action(async (options: DataDirOption & { tenant?: string; json: boolean }) => {
      const { listApiKeys } = await import('../../platform/access/api-key-store.ts');
      await withPool(options, async (pool) => {
        for (const key of await listApiKeys(pool, options.tenant ?? null)) {
          if (options.json) {
            printJson(key);
            continue;
          }
          const { id, prefix, tenant, createdAt, lastUsedAt, name } = key;
          const used = lastUsedAt === null ? 'never used' : `used ${lastUsedAt.toISOString()}`;
          const shown = prefix === null ? '-' : `tl_${prefix}`;
          printRow([id, shown, tenant, rightsOf(key), createdAt.toISOString(), stateOf(key), used, name]);
        }
      });
    });
}

interface RotateOptions extends DataDirOption {
  readonly overlap: string;
  readonly expires?: string;
}

function registerRotate(keys: Command): void {
  withDataDir(keys.command('rotate'))
    .description('make a key with the same rights and print it; the old one ends after the overlap')
    .argument('<id>', 'as `keys list` prints it')
    .option('--overlap <time>', 'how long the old key goes on', '24h')
    .option('--expires <when>', 'of the new key; without: it lives as long as the old one was to live')
    .action(async (id: string, { overlap, expires, ...options }: RotateOptions) => {
      const { rotateApiKey } = await import('../../platform/access/api-key-store.ts');
      const overlapMs = keyOverlapMs(overlap);
      const rotation = { overlapMs, ...(expires !== undefined && { expiresAt: keyEnd(expires, Date.now()) }) };
      await withPool(options, async (pool) => {
        const made = await rotateApiKey(pool, commandActor(), id, rotation);
        if (made === null) throw noSuchKey(id);
        printNote(`created ${made.id}; ${id} ends ${made.oldExpiresAt.toISOString()}. The key is not shown again:`);
        printLine(made.key);
      });
    });
}

function registerRevoke(keys: Command): void {
  withDataDir(keys.command('revoke'))
    .description('end a key; gateways refuse it within seconds')
    .argument('<id>', 'as `keys list` prints it')
    .option('--reason <reason>', 'why, for the change log')
    .action(async (id: string, { reason, ...options }: DataDirOption & { reason?: string }) => {
      const { revokeApiKey } = await import('../../platform/access/api-key-store.ts');
      await withPool(options, async (pool) => {
        if (!(await revokeApiKey(pool, commandActor(), id, reason ?? null))) throw noSuchKey(id);
        printLine(`revoked ${id}`);
      });
    });
}

export function registerKeysCommand(program: Command): void {
  const keys = program.command('keys').description('API keys');
  registerCreate(keys);
  registerList(keys);
  registerRotate(keys);
  registerRevoke(keys);
}
