// Writes docs/operate/configuration.md from the table of variables; a test keeps the two the same.
import { type Variable, variables } from './setting-variables.ts';

const sections: readonly (readonly [string, (name: string) => boolean, string])[] = [
  ['Process', (name) => ['PORT', 'HOST', 'LOG_LEVEL'].includes(name), ''],
  [
    'Stores',
    (name) => name.endsWith('_URL') || name.startsWith('KAFKA_'),
    'Each secret may stand in a file instead: `NAME_FILE` names the file, for example\n`DATABASE_URL_FILE=/run/secrets/database-url`.',
  ],
  ['Stages', (name) => name.startsWith('TALLYLINE_'), ''],
];

const cell = (value: string): string => value.replaceAll('|', '\\|');

/** The page as Markdown. */
export function configurationPage(): string {
  const lines = [
    '# Configuration',
    '',
    '<!-- Written from platform/settings/setting-variables.ts: `npx tallyline settings > docs/operate/configuration.md`. -->',
    '',
    'Every setting is an environment variable. They are read once, when a process starts; if any of them is not accepted, the',
    'process ends with one message that names every fault. A `TALLYLINE_` variable that is none of these is a fault too. An',
    'empty variable counts as unset. Options of the command line (`--port`, `--allowed-lateness`) come before the',
    'environment.',
  ];
  const entries = Object.entries(variables) as [string, Variable<unknown>][];
  for (const [title, belongs, note] of sections) {
    lines.push('', `## ${title}`, '');
    if (note !== '') lines.push(note, '');
    lines.push('| Variable | Default | Meaning | Accepts |', '| --- | --- | --- | --- |');
    for (const [name, { fallback, meaning, format }] of entries.filter(([name]) => belongs(name))) {
      lines.push(
        `| \`${name}\` | ${fallback === null ? '' : `\`${fallback}\``} | ${cell(meaning)} | ${cell(format.accepts)} |`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
