// The `tallyline` command. Each family of commands has a file of its own; what a command needs is loaded when it runs.
import { Command } from 'commander';
import { reasonOf } from '../platform/process/system-fault.ts';
import { registerAccountCommands } from './commands/accounts.ts';
import { registerCatalogCommands } from './commands/catalog.ts';
import { registerClickHouseCommand } from './commands/clickhouse.ts';
import { registerDemoCommand } from './commands/demo.ts';
import { registerKeysCommand } from './commands/keys.ts';
import { registerMetersCommand } from './commands/meters.ts';
import { registerMigrateCommand } from './commands/migrate.ts';
import { registerPricesCommand } from './commands/prices.ts';
import { registerRepairCommand } from './commands/repair.ts';
import { registerReplayCommand } from './commands/replay.ts';
import { registerSettingsCommand } from './commands/settings.ts';
import { registerStageCommands } from './commands/stages.ts';
import { registerUpCommand } from './commands/up.ts';
import { registerVerifyCommand } from './commands/verify.ts';
import { printNote, writeNote } from './output.ts';

const program = new Command('tallyline')
  .description('Usage metering that loses nothing and counts nothing twice: usage events in, priced line items out.')
  // Before any command is added: each takes it over. It repeats what it was given.
  .configureOutput({ writeErr: writeNote })
  .showHelpAfterError('(tallyline --help shows what there is)');

for (const register of [
  registerUpCommand,
  registerStageCommands,
  registerCatalogCommands,
  registerMetersCommand,
  registerPricesCommand,
  registerKeysCommand,
  registerAccountCommands,
  registerMigrateCommand,
  registerVerifyCommand,
  registerReplayCommand,
  registerRepairCommand,
  registerDemoCommand,
  registerClickHouseCommand,
  registerSettingsCommand,
]) {
  register(program);
}

try {
  await program.parseAsync();
} catch (error) {
  printNote(`tallyline: ${reasonOf(error)}`);
  process.exitCode = 1;
}
// A command is over when its action is: a socket or timer left open must not keep the process.
process.exit();
