// Target "bodies": bytes of a request, in every form, through decoding and admission. The first byte chooses the form.
// Whatever is accepted must be what JSON.parse would have read, must be metered by the aggregator without a fault, and
// must come out of a log record as it went in.
import { isDeepStrictEqual } from 'node:util';
import { canonicalJson } from '../../../domain/json/canonical-json.ts';
import { parseExactJson } from '../../../domain/json/exact-json.ts';
import { metersByType, readMeters } from '../../../domain/metering/meter-reading.ts';
import { NEWEST_RULE_SET, ruleSet } from '../../../domain/metering/rule-set.ts';
import { ExactNumber } from '../../../domain/number/exact-number.ts';
import { Problem } from '../../../domain/problem.ts';
import type { Random } from '../../../domain/random.ts';
import { dedupKeyOf, partitionOf, type UsageEvent } from '../../../domain/usage-event.ts';
import {
  type AdmissionContext,
  DATA_BYTES_MAX,
  DATA_DEPTH_MAX,
  TIME_AHEAD_MAX_MS,
} from '../../../ingest/core/admission.ts';
import { admitBody } from '../../../ingest/core/body-admission.ts';
import type { BodyForm, RequestHeaders } from '../../../ingest/core/body-form.ts';
import type { Admitted, RejectedEntry } from '../../../ingest/core/decisions.ts';
import { compileMeterChecks } from '../../../ingest/core/meter-checks.ts';
import { AvroRegistry, decodeRecord, encodeEventBatch } from '../../../platform/event-log/record-codec.ts';
import { orProblem } from '../../support/or-problem.ts';
import { admitPlainly, plainValues } from '../../support/plain-admission.ts';
import type { FuzzTarget } from '../campaign.ts';
import { objectNames } from '../object-names.ts';
import { sampleCatalog } from './catalog-sample.ts';

const NOW = Date.UTC(2026, 10, 20, 10);
const HORIZON_MS = 35 * 86_400_000;
const forms: readonly BodyForm[] = ['json', 'ndjson', 'cloudevent', 'cloudevent-batch', 'cloudevent-binary'];
const checks = compileMeterChecks(sampleCatalog, ruleSet(NEWEST_RULE_SET));
const meters = metersByType(sampleCatalog);
const registry = new AvroRegistry();
const context: AdmissionContext = { tenant: 'acme', subjects: null, now: NOW, horizonMs: HORIZON_MS, checks };
const counts = { accepted: 0, rejected: 0, refused: 0 };

const expect = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
};

function checkName(name: string, what: string, emptyAllowed: boolean): void {
  expect(name.isWellFormed() && !name.includes('\0'), `${what} has what a name may not have`);
  expect([...name].length <= 256 && (emptyAllowed || name !== ''), `${what} has a length that no name has`);
}

function checkEvent(event: UsageEvent, raw: unknown): void {
  checkName(event.id, 'id', false);
  checkName(event.type, 'type', false);
  checkName(event.subject, 'subject', false);
  checkName(event.source, 'source', true);
  expect(event.tenant === 'acme' && event.receivedAt === NOW, 'tenant and arrival are not the request’s');
  expect(Number.isSafeInteger(event.eventTime), 'the time is no whole number');
  expect(event.eventTime >= NOW - HORIZON_MS && event.eventTime <= NOW + TIME_AHEAD_MAX_MS, 'the time is outside');
  expect(Buffer.byteLength(event.data) <= DATA_BYTES_MAX, 'data is too large');
  expect(event.dedupKey.equals(dedupKeyOf('acme', event.source, event.id)), 'the key is not that of the names');
  expect(partitionOf(event.dedupKey, 12) < 12, 'the partition does not exist');

  const data = parseExactJson(event.data);
  expect(typeof data === 'object' && data !== null && !Array.isArray(data), 'data is no object');
  expect(!(data instanceof ExactNumber), 'data is a number');
  const given = (raw as { data?: unknown }).data ?? {};
  expect(canonicalJson(data, DATA_DEPTH_MAX) === canonicalJson(given, DATA_DEPTH_MAX), 'data is not what was sent');
  const readings = readMeters(meters.get(event.type) ?? [], data, ruleSet(NEWEST_RULE_SET));
  if (!('unread' in readings)) throw new Error(`accepted, and then not metered: ${readings.message}`);
  const [unread] = readings.unread;
  if (unread !== undefined) throw new Error(`accepted, and then not read: ${unread.rejection.message}`);

  const entry = decodeRecord(registry, encodeEventBatch([event]));
  const [read] = entry.kind === 'event-batch' ? entry.events : [];
  for (const [name, value] of Object.entries(event)) {
    const twin = (read as unknown as Record<string, unknown>)[name];
    expect(Buffer.isBuffer(value) ? value.equals(twin as Buffer) : value === twin, `${name} changed in the log`);
  }
}

function checkRejection({ code, message, field, id }: RejectedEntry): void {
  expect(/^[a-z_]+$/.test(code), `${code} is no code`);
  expect(message.length < 400 && message.isWellFormed(), `a message that can't be sent: ${message.slice(0, 100)}`);
  // A field may be named by the client; JSON has to carry it.
  expect(field === null || (field.length <= 256 && field.isWellFormed()), 'a field that can’t be sent');
  expect(id === null || (id.length <= 256 && id.isWellFormed()), 'an id that can’t be sent');
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** JSON.parse decides what JSON is. */
function checkDecoding(form: BodyForm, bytes: Buffer, body: Admitted | Problem): void {
  const text = new TextDecoder('utf-8').decode(bytes);
  if (body instanceof Problem) {
    expect(body.detail.length < 300 && body.detail.isWellFormed(), 'a detail that can’t be sent');
    if (body.code !== 'malformed_body' || form === 'ndjson') return;
    const isRefused = text.includes('\ufffd') || body.detail.includes('nested deeper') || body.detail.includes('array');
    expect(isRefused || !isJson(text), `refused, and JSON: ${body.detail}`);
  } else if (form === 'json' || form === 'cloudevent' || form === 'cloudevent-batch') {
    expect(isJson(text), 'read, and not JSON');
  }
}

function admitWhole(form: BodyForm, headers: RequestHeaders, bytes: Buffer): Admitted | Problem {
  const work = admitBody(form, headers, bytes, context);
  for (;;) {
    const part = orProblem(() => work.next());
    if (part instanceof Problem) return part;
    if (part.done === true) return part.value;
  }
}

/** An event that costs too much to be read is rejected unread. */
const isUnread = ({ message }: RejectedEntry): boolean => message.startsWith('the event ');

/** All of it is what the plain admission makes of it, but for what that has no bound for. */
function checkTwin(form: BodyForm, headers: RequestHeaders, bytes: Buffer, body: Admitted | Problem): void {
  const twin = admitPlainly(form, headers, bytes, context);
  if (body instanceof Problem) {
    expect(twin === body.code, `refused as ${body.code}, and plainly ${JSON.stringify(twin)}`);
    return;
  }
  if (body.rejected.some(isUnread)) return;
  if (typeof twin === 'string') throw new Error(`taken, and plainly ${twin}`);
  const raws = plainValues(form, headers, bytes) as unknown[];
  const rejected = new Map(body.rejected.map((rejection) => [rejection.index, rejection]));
  const accepted = raws.filter((_, index) => !rejected.has(index));
  expect(accepted.length === body.accepted.length, 'not every event is accepted or rejected');
  for (const [place, event] of body.accepted.entries()) {
    checkEvent(event, accepted[place]);
    expect(isDeepStrictEqual(event, twin.accepted[place]), 'an event is not what it is plainly');
  }
  const known = ({ index, id, code, field }: RejectedEntry) => [index, id, code, field];
  expect(
    isDeepStrictEqual(body.rejected.map(known), twin.rejected.map(known)),
    'the rejections are not the plain ones',
  );
}

function binaryHeaders(input: Buffer): { headers: Record<string, string>; body: Buffer } {
  // Lines up to an empty one are headers, as node gives them: one character a byte.
  const end = input.indexOf('\n\n');
  const head = end === -1 ? '' : input.toString('latin1', 0, end);
  const headers: Record<string, string> = {
    'ce-specversion': '1.0',
    'ce-id': 'a',
    'ce-source': '/s',
    'ce-type': 'llm',
  };
  headers['ce-subject'] = 'cus';
  for (const line of head.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1);
  }
  return { headers, body: end === -1 ? input : input.subarray(end + 2) };
}

const native = (data: string, more = ''): string => `{"id":"a","type":"llm","subject":"cus"${more},"data":${data}}`;
const cloud = (data: string): string =>
  `{"specversion":"1.0","id":"a","source":"/s","type":"llm","subject":"cus","time":"2026-11-20T09:59:00Z","data":${data}}`;

const dataTexts = [
  '{}',
  '{"tokens":12,"model":"m"}',
  '{"tokens":"12.50","where":{"region":"eu"},"usage":{"total":1e3}}',
  '{"tokens":99999999999999999999999999.999999999999,"peak":-0,"low":-3.5,"seats":"7"}',
  '{"user":"u\\u0301\\ud83d\\ude00","tokens":0.000000000001,"model":true}',
  '{"__proto__":{"tokens":1},"constructor":2,"tokens":1e999}',
  `{"a":${'['.repeat(70)}${']'.repeat(70)}}`,
];

const withForm = (form: number, text: string): Buffer => Buffer.concat([Buffer.from([form]), Buffer.from(text)]);

const seeds = [
  ...dataTexts.map((data) => withForm(0, native(data))),
  withForm(
    0,
    `[${native('{"tokens":1}')},${native('{"tokens":2}', ',"time":"2026-11-20T10:00:00.250+01:00","source":"s"')}]`,
  ),
  withForm(0, native('{"seconds":1}').replace('llm', 'audio')),
  withForm(0, '\ufeff[]'),
  withForm(1, `${native('{"tokens":1}')}\n{"id":\n\r\n${native('{"tokens":2}')}`),
  ...dataTexts.map((data) => withForm(2, cloud(data))),
  withForm(0, `[${cloud('{"tokens":1}')},${native('{"tokens":2}')}]`),
  withForm(1, `${cloud('{"tokens":1}')}\n${native('{"tokens":2}')}`),
  withForm(3, `[${cloud('{"tokens":1}').replace('{', '{"trace":"00-ab","datacontenttype":"text/json",')}]`),
  withForm(3, `[${cloud('{"tokens":1}')},${cloud('{}')}]`),
  withForm(4, 'ce-id:caf%C3%A9\nce-time:2026-11-20T10:00:00Z\nce-subject:"a\\"b"\n\n{"tokens":1}'),
  withForm(4, '{"tokens":1}'),
];

const dictionary = [
  ...objectNames.flatMap((name) => [`"${name}"`, `"${name}":`, `{"${name}":{"name":"LosslessNumber"},`]),
  ...['"id":', '"type":', '"subject":', '"source":', '"time":', '"data":', '"specversion":"1.0"', '"datacontenttype":'],
  ...[
    '"tokens":',
    '"usage":{"total":',
    '"model":',
    '"where":{"region":',
    '"user":',
    '"seconds":',
    '"peak":',
    '"audio"',
  ],
  ...['"isLosslessNumber":true,"value":"1"', 'null', 'true'],
  ...['1e999', '-0', '0e99', '1e-13', '12345678901234567890', '0.1', '1.5e3', 'NaN', '\\ud800', '\\udc00', '\\u0000'],
  ...[
    '\\ud83d\\ude00',
    '\u{1f600}',
    'e\u0301',
    '\ufeff',
    '\u2028',
    '[[[[[[[[',
    ']]]]]]]]',
    '{"a":{"a":',
    '"2026-11-20T09:00:00Z"',
  ],
  ...[
    '"2026-06-30T23:59:60Z"',
    '"data_base64":"e30="',
    'ce-id:',
    'ce-data:',
    '%ff',
    '%00',
    '\n\n',
    '\r\n',
    '//',
    '/*',
    "'",
  ],
];

/** An object that says by its members that it is something else. */
function poser(random: Random): string {
  const name = random.pick(['LosslessNumber', 'ExactNumber', 'Rejection', 'Date', 'Number', 'Buffer']);
  const odd = random.pick(['1', '"5"', 'null', '{}']);
  const rest = objectNames.filter((member) => member !== 'constructor').map((member) => `"${member}":${odd}`);
  return `{"constructor":{"name":"${name}"},${rest.join(',')}}`;
}

function jsonValue(random: Random, depth: number): string {
  switch (random.below(depth > 5 ? 6 : 9)) {
    case 0:
      return random.pick(['null', 'true', 'false', '""', '{}', '[]', '-0', '0']);
    case 1:
      return String(random.below(1000) - 500);
    case 2:
      return `${random.below(10)}${random.uint32()}${random.uint32()}.${random.uint32()}`;
    case 3:
      return `${1 + random.below(9)}.${random.below(1000)}e${random.below(60) - 30}`;
    case 4:
      return JSON.stringify(
        random.pick([...objectNames, '12.5', 'm', '\ud800', '\u0000', '😀'.repeat(200), 'x'.repeat(257), '1e3', '٣']),
      );
    case 5:
      return poser(random);
    case 6:
      return `[${jsonValue(random, depth + 1)},${jsonValue(random, depth + 2)}]`;
    default: {
      const names = [
        'tokens',
        'model',
        'usage',
        'total',
        'where',
        'region',
        'user',
        'peak',
        'low',
        'seats',
        ...objectNames,
      ];
      const members = Array.from(
        { length: 1 + random.below(4) },
        () => `"${random.pick(names)}":${jsonValue(random, depth + 1)}`,
      );
      return `{${members.join(',')}}`;
    }
  }
}

export const bodies: FuzzTarget = {
  name: 'bodies',
  seeds,
  dictionary,
  generate(random) {
    const form = random.below(forms.length);
    // Half of them sound but for one value.
    const odd = jsonValue(random, 3);
    const data = random.once(2)
      ? jsonValue(random, 0)
      : random.pick([
          `{"tokens":1,"model":${odd}}`,
          `{"tokens":${odd}}`,
          `{"user":${odd}}`,
          `{"tokens":"7","where":{"region":${odd}}}`,
        ]);
    if (form === 4) return withForm(4, data);
    const event = (form === 0 || form === 1) && random.once(2) ? native(data) : cloud(data);
    return withForm(form, form === 3 || (form === 0 && random.once(2)) ? `[${event},${event}]` : event);
  },
  execute(input) {
    const form = forms[(input[0] ?? 0) % forms.length]!;
    const rest = input.subarray(1);
    const { headers, body: bytes } = form === 'cloudevent-binary' ? binaryHeaders(rest) : { headers: {}, body: rest };
    const body = admitWhole(form, headers, bytes);
    checkDecoding(form, bytes, body);
    if (body instanceof Problem) counts.refused++;
    else {
      counts.rejected += body.rejected.length;
      counts.accepted += body.accepted.length;
      for (const rejection of body.rejected) checkRejection(rejection);
    }
    checkTwin(form, headers, bytes, body);
  },
  tally: () => counts,
};
