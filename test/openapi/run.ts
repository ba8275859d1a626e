// `npm run test:openapi -- [--examples N] [--seed S]`: schemathesis makes requests of the OpenAPI document, such as it
// allows and such as it does not, and sends them to a `tallyline up` of its own; exits 1 where the answers are not
// those of the document. The seed changes by day and is printed. It needs Python 3, and PyPI the first time.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectFile } from '../../platform/process/project-root.ts';
import { testDay } from '../support/day-sample.ts';
import { startUp } from '../support/processes/up.ts';

const { values: options } = parseArgs({
  options: {
    examples: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(testDay) },
  },
});

function run(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}, cwd?: string): number {
  const env = { ...process.env, ...environment };
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', env, cwd });
  if (error !== undefined) throw new Error(`${command}: ${error.message}`);
  return status ?? 1;
}

/** The generator as pinned, in an environment of its own; made once for each list of pins. */
function schemathesis(): string {
  const requirements = projectFile('test/openapi/requirements.txt');
  const pins = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const directory = projectFile(`node_modules/.cache/schemathesis-${pins}`);
  const command = join(directory, 'bin', 'schemathesis');
  if (existsSync(command)) return command;
  rmSync(directory, { recursive: true, force: true });
  const isMade =
    run('python3', ['-m', 'venv', directory]) === 0 &&
    run(join(directory, 'bin', 'pip'), ['install', '--quiet', '--no-deps', '-r', requirements]) === 0;
  if (isMade) return command;
  rmSync(directory, { recursive: true, force: true });
  throw new Error('schemathesis could not be installed; it needs python3 with venv, and PyPI');
}

const command = schemathesis();
const dataDir = mkdtempSync(join(tmpdir(), 'tallyline-openapi-'));
const up = await startUp(dataDir, ['--catalog', projectFile('deploy/catalogs/ai-api.yaml')]);
try {
  const headers = { authorization: `Bearer ${up.apiKey}`, 'content-type': 'application/json' };
  const events = Array.from({ length: 50 }, (_, i) => ({
    ...{ id: `evt_${i}`, type: 'llm.completion', subject: `cus_${i % 5}` },
    data: { model: 'm-large', input_tokens: i, output_tokens: 1 },
  }));
  const sent = await fetch(`${up.url}/v1/events`, { method: 'POST', headers, body: JSON.stringify(events) });
  if (sent.status !== 200) throw new Error(`the events were answered ${sent.status}`);
  console.log(`seed ${options.seed}`);
  process.exitCode = run(
    command,
    [
      ...['--config-file', projectFile('test/openapi/schemathesis.toml'), 'run', `${up.url}/openapi.json`],
      ...[
        '--header',
        `Authorization: ${headers.authorization}`,
        '--seed',
        options.seed,
        '--max-examples',
        options.examples,
      ],
      ...['--phases', 'examples,coverage,fuzzing', '--exclude-checks', 'positive_data_acceptance', '--no-color'],
      ...['--generation-database', 'none', '--warnings', 'off'],
    ],
    { SCHEMATHESIS_HOOKS: 'checks', PYTHONPATH: projectFile('test/openapi'), PYTHONDONTWRITEBYTECODE: '1' },
    // It leaves a cache where it runs.
    dataDir,
  );
} finally {
  const status = await up.stop();
  if (status !== 0) process.exitCode = 1;
  rmSync(dataDir, { recursive: true, force: true });
}
