// Target "costs": what a body costs for its bytes, whatever it holds. An input is a fragment and a way to fill a body
// of 400 kB with it; the body is decoded and admitted. CPU time is compared with that of an honest body of the same
// size in the same run, and memory with the body's bytes, so that neither depends on the machine.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { honestBody } from '../../../bench/workload/costly-bodies.ts';
import { NEWEST_RULE_SET, ruleSet } from '../../../domain/metering/rule-set.ts';
import { Problem } from '../../../domain/problem.ts';
import type { Random } from '../../../domain/random.ts';
import { admitBody } from '../../../ingest/core/body-admission.ts';
import type { BodyForm } from '../../../ingest/core/body-form.ts';
import { compileMeterChecks } from '../../../ingest/core/meter-checks.ts';
import { orProblem } from '../../support/or-problem.ts';
import type { FuzzTarget } from '../campaign.ts';
import { objectNames } from '../object-names.ts';
import { sampleCatalog } from './catalog-sample.ts';

const BODY_BYTES = 400_000;
const EVENTS_MAX = 10_000;
/**
 * Of an honest body's CPU time. The worst that is known takes 31 times as much: objects whose members are all named
 * differently.
 */
const TIMES_HONEST_MAX = 60;
/** Above what a part holds at its end, and above what the collector leaves lying about meanwhile. */
const HEAP_BYTES_PER_BYTE_MAX = 30;
const HEAP_BYTES_FREE = 20_000_000;
/** A machine that does something else now is asked again. */
const TRIES = 4;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const checks = compileMeterChecks(sampleCatalog, ruleSet(NEWEST_RULE_SET));
const context = { tenant: 'acme', subjects: null, now: Date.UTC(2026, 10, 20, 10), horizonMs: 35 * 86_400_000, checks };
const counts = { accepted: 0, rejected: 0, refused: 0 };

interface Cost {
  readonly cpuMicros: number;
  readonly heapBytes: number;
}

function costOf(form: BodyForm, bytes: Buffer): Cost {
  collectGarbage();
  const heapBefore = process.memoryUsage().heapUsed;
  const cpuBefore = process.cpuUsage();
  const work = admitBody(form, {}, bytes, context);
  let heapBytes = 0;
  for (;;) {
    const part = orProblem(() => work.next());
    heapBytes = Math.max(heapBytes, process.memoryUsage().heapUsed - heapBefore);
    if (!(part instanceof Problem) && part.done !== true) continue;
    const { user, system } = process.cpuUsage(cpuBefore);
    if (part instanceof Problem) counts.refused++;
    else {
      counts.accepted += part.value.accepted.length;
      counts.rejected += part.value.rejected.length;
    }
    return { cpuMicros: user + system, heapBytes };
  }
}

const honest = honestBody.make(BODY_BYTES);
/** Asked again each time it matters: a machine is not as fast at one time as at another. */
const honestMicros = (): number => costOf('json', honest).cpuMicros;
/** What surely is no more than the bound costs is not compared again. */
const honestLeast = Math.min(...Array.from({ length: 20 }, honestMicros));

const event = (id: number, data: string, more = ''): string =>
  `{${more}"id":"e${id}","type":"llm","subject":"cus","data":${data}}`;

/** The fragment so many times that it fills the bytes. */
const repeated = (fragment: string, separator: string, bytes = BODY_BYTES): string[] =>
  Array.from({ length: Math.max(1, Math.floor(bytes / (fragment.length + separator.length))) }, () => fragment);

/** What ends the brackets that a text opens. */
function closing(text: string): string {
  const open = [...text].filter((character) => character === '{' || character === '[');
  return open
    .reverse()
    .map((character) => (character === '{' ? '}' : ']'))
    .join('');
}

const events = (data: string, more = ''): string[] => {
  const count = Math.min(EVENTS_MAX, Math.max(1, Math.floor(BODY_BYTES / event(0, data, more).length)));
  return Array.from({ length: count }, (_, index) => event(index, data, more));
};

type Filling = readonly [form: BodyForm, fill: (fragment: string) => string];
const fillings: readonly Filling[] = [
  ['json', (fragment) => event(0, `{"a":[${repeated(fragment, ',').join(',')}]}`)],
  [
    'json',
    (fragment) =>
      event(
        0,
        `{${repeated(fragment, '"1000":,')
          .map((each, n) => `"${n}":${each}`)
          .join(',')}}`,
      ),
  ],
  ['json', (fragment) => `[${events(`{"a":${fragment}}`).join(',')}]`],
  ['json', (fragment) => `[${events(`{"a":[${repeated(fragment, ',', 100_000).join(',')}]}`).join(',')}]`],
  [
    'json',
    (fragment) =>
      `[${events(
        `{${repeated(fragment, '"1000k":,', 100_000)
          .map((each, n) => `"${n}k":${each}`)
          .join(',')}}`,
      ).join(',')}]`,
  ],
  ['json', (fragment) => `[${events(`{"tokens":${fragment},"model":${fragment},"user":${fragment}}`).join(',')}]`],
  ['json', (fragment) => repeated(fragment, '').join('')],
  ['json', (fragment) => `[${repeated(fragment, ',').slice(0, EVENTS_MAX).join(',')}]`],
  ['ndjson', (fragment) => repeated(fragment, '\n').join('\n')],
  ['ndjson', (fragment) => events(`{"a":${fragment}}`).join('\n')],
  [
    'json',
    (fragment) => {
      const open = repeated(fragment, ' ', BODY_BYTES / 2).join('');
      return event(0, `{"a":${open}1${closing(open)}}`);
    },
  ],
  ['json', (fragment) => `[${events(`{"a":"${repeated(fragment, '', 100_000).join('')}"}`).join(',')}]`],
  ['json', (fragment) => event(0, `{"${repeated(fragment, '').join('')}":1}`)],
  ['json', (fragment) => event(0, `{"tokens":${repeated(fragment, '').join('')}}`)],
  ['json', (fragment) => `[${events('{}', `${fragment},`).join(',')}]`],
  [
    'cloudevent-batch',
    (fragment) => `[${events(`{"a":${fragment}}`, '"specversion":"1.0","source":"/s",').join(',')}]`,
  ],
];

const fragments = [
  ...['1', '1e1', '0.1', '-0', '1E-300', '12345678901234567890', '0.0000000000000000000000001', '9'.repeat(300)],
  ...['{}', '[]', '""', 'null', 'true', '[[]]', '{"a":{}}', '{"":[{}]}', '[', '{"":', '{"a":[', '7', '.5', 'e'],
  ...[
    '\\u0000',
    '\\ud800',
    '\\"',
    '\\\\',
    'é',
    '\u{1f600}',
    ' ',
    '\t',
    '\r',
    '"x"',
    '"\\u0001"',
    '"é"',
    'x'.repeat(60),
  ],
  ...['{"b":1,"a":2}', '{"a":1,"a":2}', '{"7":1,"5":2,"a":3}', '[1,[2,[3]]]', `{"k":"${'x'.repeat(200)}"}`],
  ...objectNames.map((name) => `{"${name}":{"name":"ExactNumber"}}`),
];
const withFilling = (filling: number, fragment: string): Buffer =>
  Buffer.concat([Buffer.from([filling]), Buffer.from(fragment)]);

export const costs: FuzzTarget = {
  name: 'costs',
  // It says itself what is too much; an execution collects the heap many times, which is a test runner's here.
  cpuMsMax: 60_000,
  seeds: [withFilling(0, '1'), withFilling(3, '1e1'), withFilling(10, '['), withFilling(13, '7')],
  dictionary: fragments,
  generate: (random: Random) => withFilling(random.below(fillings.length), random.pick(fragments)),
  execute(input) {
    const [form, fill] = fillings[(input[0] ?? 0) % fillings.length]!;
    const fragment = input.toString('utf8', 1) || '1';
    const bytes = Buffer.from(fill(fragment)).subarray(0, 2 * BODY_BYTES);
    for (let tries = 1; ; tries++) {
      const { cpuMicros, heapBytes } = costOf(form, bytes);
      const heapBytesMax = HEAP_BYTES_FREE + HEAP_BYTES_PER_BYTE_MAX * bytes.length;
      if (heapBytes > heapBytesMax) throw new Error(`took ${heapBytes} bytes of heap for a body of ${bytes.length}`);
      const honestShare = Math.max(1, bytes.length / honest.length);
      if (cpuMicros <= TIMES_HONEST_MAX * honestShare * honestLeast) return;
      const times = cpuMicros / honestShare / honestMicros();
      if (times <= TIMES_HONEST_MAX) return;
      if (tries === TRIES) throw new Error(`took ${times.toFixed(0)} times the CPU time of an honest body of its size`);
    }
  },
  tally: () => counts,
};
