// The shell blocks of a page, run as its reader would: on a `tallyline up` with its data in a directory of its own.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { textOf } from '../sources.ts';
import { compiledCommand } from './clickhouse.ts';
import type { RunningUp } from './up.ts';

/** Of one language, in order. */
export const blocksOf = (page: string, language: string): string[] =>
  [...textOf(page).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, block]) => block!);

/** What a block prints; rejects where one of its requests is refused. */
async function run(script: string, dataDir: string, up: RunningUp): Promise<string> {
  const adapted = script
    .replaceAll('.tallyline/', `${dataDir}/`)
    .replaceAll('http://127.0.0.1:8080', up.url)
    .replaceAll('curl -sS', 'curl -sS --fail-with-body')
    .replaceAll('npx tallyline', compiledCommand().join(' '))
    .replaceAll('--tenant', `--data-dir ${dataDir} --tenant`);
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', adapted], { cwd: dataDir });
  return stdout;
}

/** What each block printed; the first sets up what the others use. */
export async function runBlocks(blocks: readonly string[], dataDir: string, up: RunningUp): Promise<string[]> {
  const [setUp, ...examples] = blocks;
  const printed: string[] = [];
  for (const example of examples) printed.push(await run(`${setUp}${example}`, dataDir, up));
  return printed;
}

/** What the blocks say that is printed, in comments, each up to where it is cut. */
export const shownIn = (blocks: readonly string[]): string[] =>
  (blocks.join('').match(/(?<=^# ).*$/gm) ?? []).map((line) => line.split(' … ')[0]!);
