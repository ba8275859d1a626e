// What the runbooks and docs/operate/operations.md say to type about our own output does what the page says, on output
// of real stages: what jq selects, what `tallyline` takes, what the paths of curl answer. SQL has a test of its own
// beside this one.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { projectFile } from '../../platform/process/project-root.ts';
import { type StageProcesses, startStores } from '../support/processes/stage-processes.ts';
import { until } from '../support/until.ts';

interface Command {
  readonly page: string;
  readonly text: string;
}

const pages = [
  'docs/operate/operations.md',
  ...readdirSync(projectFile('docs/operate/runbooks')).map((name) => `docs/operate/runbooks/${name}`),
];
const read = (page: string): string => readFileSync(projectFile(page), 'utf8');
/** Lines of indented blocks, without what is said behind a #. */
const typed: readonly Command[] = pages.flatMap((page) =>
  (read(page).match(/^ {4,}\S.*$/gm) ?? []).map((line) => ({ page, text: line.replace(/\s+#.*$/, '').trim() })),
);
/** The same, and what stands in `code` within a sentence. */
const mentioned: readonly Command[] = [
  ...typed,
  ...pages.flatMap((page) => (read(page).match(/`[^`\n]+`/g) ?? []).map((code) => ({ page, text: code.slice(1, -1) }))),
];

const hasJq = spawnSync('jq', ['--version'], { stdio: 'ignore' }).status === 0;
if (!hasJq) {
  process.stderr.write(
    'runbook-commands.test.ts: jq is not on PATH, its lines are not run (Debian: apt-get install jq)\n',
  );
}

let stores: StageProcesses;
/** What a stage wrote that served, and two that ended: one before it had a log. */
let log: string[] = [];
let authorization: Record<string, string>;

beforeAll(async () => {
  stores = await startStores();
  const lastWords = (port: string): Promise<string> =>
    stores.startOn('query', port).then(
      () => '',
      (error: Error) => error.message.slice(error.message.indexOf('\n') + 1),
    );
  const unmigrated = await lastWords('0');
  await stores.tallyline('migrate');
  await stores.tallyline('catalog', 'apply', projectFile('deploy/catalogs/ai-api.yaml'));
  authorization = {
    authorization: `Bearer ${await stores.tallyline('keys', 'create', '--tenant', 'acme', '--operator')}`,
  };
  const query = await stores.start('query');
  await stores.start('ingest');
  const portTaken = await lastWords(new URL(query.url).port);
  log = `${unmigrated}${query.log()}${portTaken}`.split('\n').filter((line) => line !== '');
}, 300_000);
afterAll(() => stores?.stop());

interface Example {
  /** What stands before the jq of the page. */
  readonly output: () => Promise<string>;
  /** What the page says that it selects. */
  readonly selects: (output: string) => unknown[];
}

const statusWithLag = async (): Promise<string> => {
  const [ingest, query] = [stores.urlOf('ingest'), stores.urlOf('query')];
  const headers = { ...authorization, 'content-type': 'application/json' };
  const body = JSON.stringify({ id: '1', type: 'ping', subject: 'cus_1' });
  await until(
    async () => (await fetch(`${ingest}/v1/events`, { method: 'POST', headers, body })).status === 200,
    'taken',
  );
  let text = '';
  // No aggregator runs: the event stays where it is.
  await until(async () => {
    text = await (await fetch(`${query}/v1/status`, { headers })).text();
    return (JSON.parse(text) as Status).partitions.some(isBehind);
  }, 'the status knows of the event');
  return text;
};
interface Status {
  readonly partitions: readonly { readonly nextOffset: number | null; readonly logEndOffset: number }[];
}
const isBehind = (each: Status['partitions'][number]): boolean => (each.nextOffset ?? -1) < each.logEndOffset;

/** By page: each line with jq has one. */
const examples: Readonly<Record<string, Example>> = {
  'docs/operate/runbooks/halted.md': {
    output: async () => log.join('\n'),
    selects: (output) =>
      output
        .split('\n')
        .map((line) => (line.startsWith('{') ? (JSON.parse(line) as { level: string }) : line))
        .filter((line) => typeof line === 'string' || ['error', 'fatal'].includes(line.level)),
  },
  'docs/operate/runbooks/watermark-lagging.md': {
    output: statusWithLag,
    selects: (output) => (JSON.parse(output) as Status).partitions.filter(isBehind),
  },
};

const jqLines = typed.filter(({ text }) => /\| *jq /.test(text));

describe('a line with jq', () => {
  it('has an example here, wherever one stands', () => {
    expect(jqLines.map(({ page }) => page).sort()).toEqual(Object.keys(examples).sort());
  });

  (hasJq ? it : it.skip).each(jqLines.map((line) => [line.page, line.text] as const))(
    'selects what %s says',
    async (page, text) => {
      const { output, selects } = examples[page]!;
      const given = await output();
      const jq = text.slice(text.indexOf('jq '));
      const { status, stdout, stderr } = spawnSync('sh', ['-c', `${jq.replace(/^jq /, 'jq -c ')}`], {
        input: given,
        encoding: 'utf8',
      });
      expect([status, stderr]).toEqual([0, '']);
      const selected = stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as unknown);
      const expected = selects(given);
      expect(selected).toEqual(expected);
      expect(expected.length).toBeGreaterThan(0);
    },
  );

  it('has a log in which there is something to leave out, and words that are no JSON', () => {
    const selected = examples['docs/operate/runbooks/halted.md']!.selects(log.join('\n'));
    expect(selected.length).toBeLessThan(log.length);
    expect(new Set(selected.map((line) => typeof line))).toEqual(new Set(['string', 'object']));
  });
});

it('the levels of a log are the words that the pages say', () => {
  const levels = new Set(
    log.filter((line) => line.startsWith('{')).map((line) => (JSON.parse(line) as { level: unknown }).level),
  );
  expect([...levels].every((level) => typeof level === 'string')).toBe(true);
  expect(levels).toEqual(new Set(['info', 'fatal']));
  for (const { page, text } of mentioned) expect([page, /\blevel\W{1,4}\d/.test(text)]).toEqual([page, false]);
});

describe('a command of tallyline', () => {
  const commands = mentioned.flatMap(({ text }) => {
    const called = /^(?:.* -- node dist\/cli\/main\.js|(?:npx )?tallyline) ([a-z].*)$/.exec(text)?.[1];
    return called ?? [];
  });

  it('stands on the pages', () => {
    expect(commands.length).toBeGreaterThan(5);
  });

  it.each([...new Set(commands)])('"%s" is one, with its options', async (command) => {
    const words = command.split(' ');
    const names = words.filter((word) => /^[a-z]+$/.test(word)).slice(0, 2);
    // Of a command without subcommands, the second word would be an argument.
    const help = await stores.tallyline(...names, '--help').catch(() => stores.tallyline(names[0]!, '--help'));
    expect(help).toContain(`Usage: tallyline ${names[0]}`);
    for (const option of words.filter((word) => word.startsWith('--'))) expect(help).toContain(option);
  });
});

it.each([...new Set(typed.flatMap(({ text }) => /\bcurl .*?(?::8080|\$QUERY)(\/[\w/]+)/.exec(text)?.[1] ?? []))])(
  'the path %s that curl is given is one of ours',
  async (path) => {
    const stage = path === '/v1/events' ? 'ingest' : 'query';
    const { status } = await fetch(`${stores.urlOf(stage)}${path}`, {
      method: path === '/v1/events' ? 'POST' : 'GET',
      headers: authorization,
    });
    expect(status).not.toBe(404);
  },
);
