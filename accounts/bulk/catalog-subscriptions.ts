// The section `subscriptions` of a catalog file of an earlier release, as rows: a subject had a plan from an instant
// on, until its next one began.
//
// A subject becomes one subscription whose plan changes, and not one for each plan: so it has one grid, and a quantity
// goes on through its period, whatever plan it is on (T5). It bills from its start on, as it did.
import { isNode, isSeq, LineCounter, parseDocument } from 'yaml';
import { groupBy } from '../../domain/composite-key.ts';
import { parseRfc3339 } from '../../domain/time/rfc3339.ts';
import { isObject } from '../core/body-fields.ts';
import type { FileRow } from './import-rows.ts';
import { decoded } from './row-file.ts';

/** As a catalog file may have been. */
const FILE_LENGTH_MAX = 8 * 1024 * 1024;

interface Entry {
  readonly line: number;
  readonly subject: string;
  readonly plan: unknown;
  readonly startsAt: string;
}

function entryOf(given: unknown, line: number): Entry | FileRow {
  if (!isObject(given)) return { line, fault: 'it is no map' };
  const { subject, plan, startsAt } = given;
  if (typeof subject !== 'string') return { line, fault: 'subject must be a text' };
  if (typeof startsAt !== 'string' || parseRfc3339(startsAt) === null)
    return { line, fault: 'startsAt must be an RFC 3339 time, such as 2026-11-20T10:00:00Z' };
  return { line, subject, plan, startsAt };
}

async function textOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const piece of decoded(chunks)) {
    text += piece;
    if (text.length > FILE_LENGTH_MAX) throw new Error(`the file is longer than ${FILE_LENGTH_MAX}`);
  }
  return text;
}

/** The entries with their lines. Throws where there are none. */
function* entriesOf(text: string): Generator<{ readonly given: unknown; readonly line: number }> {
  const lines = new LineCounter();
  const document = parseDocument(text, { version: '1.2', schema: 'core', lineCounter: lines });
  const [fault] = document.errors;
  if (fault !== undefined) throw new Error(fault.message);
  const section = document.get('subscriptions', true);
  if (!isSeq(section)) throw new Error('the file has no list `subscriptions`');
  const given = section.toJS(document, { maxAliasCount: 100 }) as readonly unknown[];
  for (const [i, item] of section.items.entries())
    yield { given: given[i], line: lines.linePos((isNode(item) && item.range?.[0]) || 0).line };
}

/** Those of a tenant, or of every one. Throws where the file as a whole can't be read. */
export async function* catalogSubscriptions(chunks: AsyncIterable<Buffer>, tenant: string): AsyncGenerator<FileRow> {
  const entries: Entry[] = [];
  for (const { given, line } of entriesOf(await textOf(chunks))) {
    if (isObject(given) && typeof given.tenant === 'string' && given.tenant !== tenant) continue;
    const entry = entryOf(given, line);
    if ('subject' in entry) entries.push(entry);
    else yield entry;
  }
  for (const [subject, of] of groupBy(entries, (entry) => entry.subject)) {
    const [first, ...later] = of.toSorted((a, b) => parseRfc3339(a.startsAt)! - parseRfc3339(b.startsAt)!);
    const { line, plan, startsAt } = first!;
    const phases = later.map((each) => ({ from: each.startsAt, plan: each.plan }));
    const id = `${subject} from ${startsAt}`;
    yield { line, row: { id, customer: subject, plan, startsAt, billedFrom: startsAt, phases } };
  }
}
