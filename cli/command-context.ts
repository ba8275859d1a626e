// What a command that runs and ends works with: settings, a quiet logger, the stores. Beside the environment it finds
// the embedded stores of a running `tallyline up` through its data directory, so that `tallyline keys list` just works
// there.
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Logger } from 'pino';
import { createLogger } from '../platform/process/logging.ts';
import { type Environment, parseSettings } from '../platform/settings/config.ts';
import type { Settings } from '../platform/settings/settings.ts';
import { accountsKeyVariable } from './accounts-key-file.ts';
import type { StagesFile } from './stage/stages-file.ts';
import { openStores, type Stores } from './stores.ts';

/** Who runs the command, as the change log names them. */
export function commandActor(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    // A user of a container may have no name.
    return `cli:uid-${process.getuid?.() ?? 'unknown'}`;
  }
}

export const DEFAULT_DATA_DIR = '.tallyline';

export interface DataDirOption {
  readonly dataDir: string;
}

/** Adds --data-dir, by which `commandSettings` finds a running `up`. */
export const withDataDir = (command: Command): Command =>
  command.option(
    '--data-dir <dir>',
    'of a running `tallyline up`: its stores are used where no address is set',
    DEFAULT_DATA_DIR,
  );

export interface CommandContext {
  readonly settings: Settings;
  readonly logger: Logger;
}

export function commandContext({ dataDir }: DataDirOption, environment: Environment = process.env): CommandContext {
  const found = { ...environment, ...accountsKeyVariable(dataDir, environment) };
  const settings = parseSettings(found, embeddedAddresses(dataDir, environment));
  return { settings, logger: createLogger('command', environment.LOG_LEVEL ? settings.logLevel : 'warn') };
}

function embeddedAddresses(dataDir: string, environment: Environment): Environment {
  const file = join(dataDir, 'stages.json');
  let stages: StagesFile;
  try {
    stages = JSON.parse(readFileSync(file, 'utf8')) as StagesFile;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new Error(`${file} can't be read: ${(error as Error).message}. A running \`tallyline up\` writes it anew`);
  }
  const given = (name: string): boolean => Boolean(environment[name] || environment[`${name}_FILE`]);
  return {
    ...(!given('DATABASE_URL') && stages.postgres && { DATABASE_URL: stages.postgres.url }),
    ...(!given('CLICKHOUSE_URL') && stages.clickhouse && { CLICKHOUSE_URL: stages.clickhouse.url }),
  };
}

/** Opens all stores for `work` and closes them after it. */
export async function withStores<Result>(
  option: DataDirOption,
  work: (stores: Stores, context: CommandContext) => Promise<Result>,
): Promise<Result> {
  const context = commandContext(option);
  const stores = await openStores(context.settings, context.logger, 'tallyline command');
  try {
    return await work(stores, context);
  } finally {
    await stores.close();
  }
}
