// `tallyline catalog diff FILE | apply FILE`: what would change; make it so.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { appliesTos } from '../../domain/catalog/catalog.ts';
import { nameFault } from '../../domain/name-text.ts';
import type { ApplyOptions } from '../../platform/catalog-publishing/apply-catalog.ts';
import type { CatalogStores } from '../catalog-application.ts';
import { commandActor, commandContext, type DataDirOption, withDataDir } from '../command-context.ts';
import { printLine, printNote } from '../output.ts';
import { readInstant } from '../time-options.ts';

async function openCatalogStores(option: DataDirOption): Promise<CatalogStores> {
  const { assertReachable, openClickHouse, openEventLog, openPool } = await import('../stores.ts');
  const { assertMigrated } = await import('../../platform/migrations/migrate.ts');
  const { settings, logger } = commandContext(option);
  const pool = openPool(settings, logger, 'tallyline catalog');
  let closeLog = async (): Promise<void> => {};
  const clickhouse = settings.clickhouse === null ? null : openClickHouse(settings, logger);
  return {
    async pool() {
      await assertReachable(pool, settings);
      await assertMigrated(pool);
      return pool;
    },
    async eventLog() {
      const eventLog = await openEventLog(settings, pool, logger);
      closeLog = () => eventLog.close();
      return eventLog;
    },
    clickhouse: () => clickhouse,
    async close() {
      await closeLog();
      await clickhouse?.close();
      await pool.end();
    },
  };
}

interface TenantOption {
  readonly tenant?: string;
}

function readTenant(name: string): string {
  const fault = name === '' ? 'not be empty' : nameFault(name);
  if (fault === null) return name;
  throw new InvalidArgumentError(`It must ${fault}.`);
}

/** A refusal is one error a line on stderr, as an editor can jump to it; anything else is the caller's to report. */
async function reported(command: () => Promise<void>): Promise<void> {
  const { CatalogRefused } = await import('../../platform/catalog-publishing/apply-catalog.ts');
  try {
    await command();
  } catch (error) {
    if (!(error instanceof CatalogRefused)) throw error;
    printNote(error.message);
    process.exitCode = 1;
  }
}

export function registerCatalogCommands(program: Command): void {
  const catalog = program.command('catalog').description('what is metered and what it costs');

  withDataDir(catalog.command('diff'))
    .description('show what applying a file would change, or why it would be refused; try its meters on recent events')
    .argument('<file>', 'YAML; docs/use/catalog.md explains it')
    .option('--tenant <name>', 'whose own catalog it is to be (default: that of all who have none)', readTenant)
    .option('--json', 'one JSON object', false)
    .action((file: string, options: DataDirOption & TenantOption & { json: boolean }) =>
      reported(async () => {
        const { diffCatalogFile } = await import('../catalog-application.ts');
        const terms = { tenant: options.tenant ?? null, now: Date.now(), json: options.json };
        await diffCatalogFile(file, terms, () => openCatalogStores(options), printLine);
      }),
    );

  withDataDir(catalog.command('apply'))
    .description('make a file the catalog: a new version where it says anything new')
    .argument('<file>', 'YAML; docs/use/catalog.md explains it')
    .option('--tenant <name>', 'whose own catalog it is to be (default: that of all who have none)', readTenant)
    .option('--effective-at <time>', 'from when on its prices hold, RFC 3339 (default: now)', readInstant)
    .addOption(
      new Option('--applies-to <periods>', 'the periods that run, or the next one of each subscription')
        .choices(appliesTos)
        .default('running'),
    )
    .option('--rerate', 'what was rated since --effective-at is rated again, by adjustments', false)
    .action((file: string, { tenant, ...options }: DataDirOption & TenantOption & ApplyOptions) =>
      reported(async () => {
        const { applyCatalogFrom } = await import('../catalog-application.ts');
        const terms = { ...options, ...(tenant !== undefined && { author: { tenant, actor: commandActor() } }) };
        await applyCatalogFrom(file, terms, () => openCatalogStores(options), printLine);
      }),
    );

  catalog
    .command('schema')
    .description('print the JSON Schema of catalog files, for an editor')
    .action(async () => {
      const { catalogSchemaText } = await import('../../domain/catalog/catalog-schema.ts');
      // More than a pipe holds: the process ends once it has been taken.
      await new Promise<void>((taken) => process.stdout.write(catalogSchemaText(), () => taken()));
    });
}
