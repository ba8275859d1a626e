// `tallyline settings` (internal): prints docs/operate/configuration.md.
import type { Command } from 'commander';

export function registerSettingsCommand(program: Command): void {
  program
    .command('settings', { hidden: true })
    .description('print every setting, as Markdown')
    .action(async () => {
      const { configurationPage } = await import('../../platform/settings/configuration-page.ts');
      process.stdout.write(configurationPage());
    });
}
