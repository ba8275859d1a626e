// `tallyline prices import FILE`: a public price list as a draft of a price book, and what it changes of the one that
// there is.
import { type Command, InvalidArgumentError } from 'commander';
import { isSlug } from '../../domain/fields/catalog-fields.ts';
import { isDay } from '../../domain/time/day.ts';
import { commandContext, type DataDirOption, withDataDir } from '../command-context.ts';
import { printLine, printNote } from '../output.ts';

interface ImportOptions extends DataDirOption {
  readonly slug: string;
  readonly provider: readonly string[];
  readonly source?: string;
  readonly readAt?: string;
  readonly catalog?: string;
  readonly tenant?: string;
  readonly out?: string;
}

function readDay(text: string): string {
  if (isDay(text)) return text;
  throw new InvalidArgumentError('It must be a day such as 2026-11-20.');
}

function readSlug(text: string): string {
  if (isSlug(text)) return text;
  throw new InvalidArgumentError('It must be a slug: up to 100 letters, digits, ".", "_" or "-".');
}

async function importPrices(file: string, { dataDir, ...options }: ImportOptions): Promise<void> {
  const { importPriceList } = await import('../price-import.ts');
  const { openPool, assertReachable } = await import('../stores.ts');
  const { assertMigrated } = await import('../../platform/migrations/migrate.ts');
  const terms = {
    ...{ slug: options.slug, providers: options.provider, catalogFile: options.catalog ?? null },
    ...{ tenant: options.tenant ?? null, outFile: options.out ?? null, source: options.source ?? null },
    readAt: options.readAt ?? new Date().toISOString().slice(0, 10),
  };
  const openStore = async () => {
    const { settings, logger } = commandContext({ dataDir });
    const pool = openPool(settings, logger, 'tallyline prices');
    await assertReachable(pool, settings);
    await assertMigrated(pool);
    return pool;
  };
  await importPriceList(file, terms, openStore, { line: printLine, note: printNote });
}

export function registerPricesCommand(program: Command): void {
  const prices = program.command('prices').description('price books: what models cost');
  withDataDir(prices.command('import'))
    .description("read LiteLLM's or models.dev's JSON as a draft of a price book; tell what it changes (on stderr)")
    .argument('<file>', 'the list, as JSON')
    .option('--slug <slug>', 'of the price book', readSlug, 'public')
    .option('--provider <name...>', 'only models of these (default: of all)', [])
    .option('--source <text>', 'where the list is from (default: the name of the file)')
    .option('--read-at <day>', 'when it was read there (default: today)', readDay)
    .option('--catalog <file>', 'compare with the book of this catalog file (default: of the catalog that was applied)')
    .option('--tenant <name>', 'compare with the book of the catalog of this tenant')
    .option('--out <file>', 'where the draft goes (default: stdout)')
    .action(importPrices);
}
