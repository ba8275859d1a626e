// Bodies of POST /v1/events that are made to cost as much as they can for their bytes, each in another way, and an
// honest one to compare them with. None of them is random: what was measured once is measured again.

export interface CostlyBody {
  readonly name: string;
  readonly contentType: 'application/json' | 'application/x-ndjson' | 'application/cloudevents-batch+json';
  /** As many bytes as that, or a few less. */
  make(bytes: number): Buffer;
}

const EVENTS_MAX = 10_000;
const EVENT_BYTES_MIN = 250;
/** What an event's data may have, with room for its braces. */
const DATA_BYTES = 256 * 1024 - 64;

/** So many repetitions of a text, or of what `part` gives, as fill the bytes, with commas between them. */
function filled(bytes: number, part: string | ((index: number) => string)): string {
  const parts: string[] = [];
  for (let length = 0, index = 0; ; index++) {
    const next = typeof part === 'string' ? part : part(index);
    length += next.length + 1;
    if (length > bytes) return parts.join(',');
    parts.push(next);
  }
}

const event = (index: number, data: string, more = ''): string =>
  `{${more}"id":"evt_${index}","type":"llm.completion","subject":"cus_42","data":${data}}`;

/** One event that is the whole body. */
const whole = (name: string, data: (bytes: number) => string): CostlyBody => ({
  name,
  contentType: 'application/json',
  make: (bytes) => Buffer.from(event(0, data(bytes - event(0, '').length))),
});

/** Events that are large, and all acceptable. */
const large = (name: string, data: (bytes: number) => string): CostlyBody => ({
  name,
  contentType: 'application/json',
  make: (bytes) => Buffer.from(`[${filled(bytes - 2, (index) => event(index, data(Math.min(DATA_BYTES, bytes))))}]`),
});

/** As many events as a request may have, or fewer of 250 bytes; the bytes are shared among them. */
const many = (
  name: string,
  one: (index: number, bytes: number) => string,
  contentType: CostlyBody['contentType'] = 'application/json',
): CostlyBody => ({
  name,
  contentType,
  make: (bytes) => {
    const count = Math.min(EVENTS_MAX, Math.ceil(bytes / EVENT_BYTES_MIN));
    const events = Array.from({ length: count }, (_, index) => one(index, Math.floor(bytes / count) - 1));
    return Buffer.from(contentType === 'application/x-ndjson' ? events.join('\n') : `[${events.join(',')}]`);
  },
});

const honestData =
  '{"model":"m-large","operation":"chat","region":"eu-west-1","input_tokens":1204,"output_tokens":88,"note":"';
/** An ordinary event with a text in it that fills its bytes. */
const ordinary = (index: number, bytes: number): string => {
  const rest = bytes - event(index, `${honestData}"}`).length;
  return event(index, `${honestData}${'x'.repeat(Math.max(0, rest))}"}`);
};

export const honestBody: CostlyBody = many('honest', ordinary);

export const costlyBodies: readonly CostlyBody[] = [
  // The body of the issue that these came from.
  whole('one event of numbers', (bytes) => `{"a":[1e1,${filled(bytes - 12, '1')}]}`),
  whole('one event of exponents', (bytes) => `{"a":[${filled(bytes - 10, '1e1')}]}`),
  whole('one event of empty objects', (bytes) => `{"a":[${filled(bytes - 10, '{}')}]}`),
  whole('one event of keys', (bytes) => `{${filled(bytes - 2, (index) => `"k${index}":1`)}}`),
  whole('one event of levels', (bytes) => `{"a":${'['.repeat((bytes - 6) / 2)}${']'.repeat((bytes - 6) / 2)}}`),
  whole('one event of objects in objects', (bytes) => `${'{"":'.repeat(bytes / 5)}1${'}'.repeat(bytes / 5)}`),
  whole('one number', (bytes) => `{"input_tokens":${'7'.repeat(bytes - 17)}}`),
  whole('one exponent', (bytes) => `{"input_tokens":1e${'7'.repeat(bytes - 19)}}`),
  whole('one text of escapes', (bytes) => `{"a":"${'\\u00e9'.repeat((bytes - 8) / 6)}"}`),
  whole('one text of quotes', (bytes) => `{"a":"${'\\"'.repeat((bytes - 8) / 2)}"}`),
  whole('white space', (bytes) => `{"a":${' '.repeat(bytes - 8)}1}`),
  large('large events of numbers', (bytes) => `{"a":[1e1,${filled(Math.min(bytes - 12, 131_000), '1')}]}`),
  large('large events of exponents', (bytes) => `{"a":[${filled(bytes - 10, '1e1')}]}`),
  large('large events of fractions', (bytes) => `{"a":[${filled(bytes - 10, '0.0000000000000001e-9')}]}`),
  large('large events of empty objects', (bytes) => `{"a":[1e1,${filled(Math.min(bytes - 12, 196_000), '{}')}]}`),
  large('large events of keys', (bytes) => `{"a":1e1,${filled(bytes - 12, (index) => `"${index}k":1`)}}`),
  large(
    'large events of keys in order of nothing',
    (bytes) => `{"a":1e1,${filled(bytes - 12, (index) => `"${((index * 7_919) % 65_521).toString(36)}":{}`)}}`,
  ),
  large(
    'large events of numbers for keys',
    (bytes) => `{"a":1e1,${filled(bytes - 12, (index) => `"${(index * 2_654_435_761) % 4_294_967_295}":1`)}}`,
  ),
  large('large events of equal keys', (bytes) => `{"a":1e1,${filled(bytes - 12, '"k":{}')}}`),
  large('large events of surrogates', (bytes) => `{"a":"${'\\ud800'.repeat(bytes / 6 - 4)}"}`),
  large('large events of quotes', (bytes) => `{"a":"${'\\"'.repeat(bytes / 2 - 8)}"}`),
  large('large events of control characters', (bytes) => `{"a":"${'\\u0001'.repeat(bytes / 6 - 4)}"}`),
  large('large events of levels', (bytes) => `{"a":[1e1,${filled(bytes - 12, `${'['.repeat(60)}${']'.repeat(60)}`)}]}`),
  many('events of other members each', (index, bytes) =>
    event(index, `{${filled(bytes - 90, (member) => `"${(index * 64 + member).toString(36)}_":1`)}}`),
  ),
  many('events of a long beginning and another end', (index, bytes) =>
    event(index, `{${filled(bytes - 110, (member) => `"key${member}":1`)},"e${index % 257}":1}`),
  ),
  many('events of exponents', (index, bytes) => event(index, `{"a":[${filled(bytes - 90, '1e1')}]}`)),
  many('ordinary events in lines', ordinary, 'application/x-ndjson'),
  many('events that lack a name', (_, bytes) => `{"id":"","data":{"a":[${filled(bytes - 30, '1')}]}}`),
  many('events with an unknown field', (index, bytes) =>
    event(index, '{}', `"${'\\u0000'.repeat(bytes / 6 - 16)}":1,`),
  ),
  many('events that are numbers', () => '1e1'),
  many('lines that are no JSON', (_, bytes) => `{"a":[${filled(bytes - 8, '1')}`, 'application/x-ndjson'),
  many(
    'CloudEvents',
    (index, bytes) => event(index, `{"a":[${filled(bytes - 130, '1')}]}`, '"specversion":"1.0","source":"/s",'),
    'application/cloudevents-batch+json',
  ),
];
