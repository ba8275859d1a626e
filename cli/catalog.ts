// `tallyline catalog diff FILE` and `catalog apply FILE`. What is wrong with the file is told before any store is asked
// for; what a command answers is on stdout, what is wrong on stderr with exit code 1.
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type pg from 'pg';
import type { Catalog } from '../domain/catalog.ts';
import { diffCatalogs, formatChange, formatRefusal } from '../domain/catalog-diff.ts';
import { formatCatalogError, readCatalog } from '../domain/catalog-file.ts';
import { formatRfc3339, parseRfc3339 } from '../domain/rfc3339.ts';
import { applyCatalog, CatalogRefused, catalogVersions } from '../platform/catalog-store.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';

/** The stores of the installation that a command works on. */
export interface CatalogCommandStores {
  readonly pool: pg.Pool;
  /** Called by `apply` only. */
  openEventLog(): Promise<EventLog>;
  /** Closes whatever was opened. */
  close(): Promise<void>;
}

export interface CatalogCommandContext {
  open(): Promise<CatalogCommandStores>;
  /** Milliseconds since the epoch. */
  clock(): number;
  out(line: string): void;
}

export function registerCatalogCommands(program: Command, open: () => Promise<CatalogCommandStores>): void {
  const context: CatalogCommandContext = {
    open,
    clock: Date.now,
    out: (line) => void process.stdout.write(`${line}\n`),
  };
  const catalog = program.command('catalog').description('what is metered and what it costs');
  catalog
    .command('diff')
    .description('show what applying the file would change, and whether it would be refused')
    .argument('<file>', 'catalog in YAML')
    .action((file: string) => reported(() => diffCatalogFile(file, context)));
  catalog
    .command('apply')
    .description('make the file the catalog: a new version where it says anything new')
    .argument('<file>', 'catalog in YAML')
    .option('--effective-at <time>', 'from when on its prices hold (RFC 3339; default: now)', readEffectiveAt)
    .action((file: string, options: { effectiveAt?: number }) =>
      reported(() => applyCatalogFrom(file, options.effectiveAt, context)),
    );
}

function readEffectiveAt(text: string): number {
  const instant = parseRfc3339(text);
  if (instant === null) throw new InvalidArgumentError('It must be an RFC 3339 time such as 2026-12-01T00:00:00Z.');
  return instant;
}

/** One error a line, as the file's editor may jump to it; anything but a refusal is the caller's to report. */
async function reported(command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    if (!(error instanceof CatalogRefused)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

/** Rejects with `CatalogRefused` where the file can't be read, is wrong, or would be refused. */
export async function diffCatalogFile(file: string, context: CatalogCommandContext): Promise<void> {
  const { catalog } = await readCatalogFile(file);
  await withStores(context, async ({ pool }) => {
    const versions = await catalogVersions(pool);
    const latest = versions.at(-1);
    const history = versions.map((each) => each.catalog);
    const { changes, refusals } = diffCatalogs(latest?.catalog ?? null, catalog, history);
    context.out(
      changes.length === 0
        ? `nothing to change: version ${latest?.version ?? 0} says the same`
        : changes.map(formatChange).join('\n'),
    );
    if (refusals.length > 0) throw new CatalogRefused(refusals.map(formatRefusal));
  });
}

/** Rejects as `diffCatalogFile` does, and where the log can't be reached; then the version is published by the next apply. */
export async function applyCatalogFrom(
  file: string,
  effectiveAt: number | undefined,
  context: CatalogCommandContext,
): Promise<void> {
  const { catalog, text } = await readCatalogFile(file);
  await withStores(context, async ({ pool, openEventLog }) => {
    const options = { now: context.clock(), ...(effectiveAt !== undefined && { effectiveAt }) };
    const applied = await applyCatalog(pool, await openEventLog(), catalog, text, options);
    const dated = `version ${applied.version}, effective at ${formatRfc3339(applied.effectiveAt)}`;
    if (applied.changes.length === 0) return context.out(`nothing to change: ${dated}, says the same`);
    for (const change of applied.changes) context.out(formatChange(change));
    for (const version of applied.overruled) {
      context.out(`version ${version} was to take effect later than this one and is overruled: it never takes effect`);
    }
    context.out(`applied as ${dated}`);
  });
}

async function readCatalogFile(file: string): Promise<{ catalog: Catalog; text: string }> {
  const text = await readUtf8(file);
  const reading = readCatalog(text, file);
  if (!reading.ok) throw new CatalogRefused(reading.errors.map(formatCatalogError));
  return { catalog: reading.catalog, text };
}

async function readUtf8(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'there is no such file' : error.message;
    throw new CatalogRefused([`${file}: can't be read: ${reason}`]);
  });
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CatalogRefused([`${file}: is not UTF-8 text`]);
  }
}

async function withStores(
  context: CatalogCommandContext,
  work: (stores: CatalogCommandStores) => Promise<void>,
): Promise<void> {
  const stores = await context.open();
  try {
    await work(stores);
  } finally {
    await stores.close();
  }
}
