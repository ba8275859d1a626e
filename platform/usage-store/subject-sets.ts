// Sets of stretches of subjects, as a read of usage names them: what is in one set is read as if it were one subject's.
import type { OwnedStretch } from '../../domain/accounts/ownership.ts';
import type { SubjectKey } from '../../domain/billing/billing-period-terms.ts';
import { mapKey } from '../../domain/composite-key.ts';
import { quoted } from '../clickhouse/quoted.ts';
import { boundSeconds } from './usage-query.ts';

export interface TenantStretch extends OwnedStretch {
  readonly tenant: string;
}

/** Each of one stretch or more. A row of usage may be in several sets. */
export type SubjectSets = readonly (readonly TenantStretch[])[];

type SetNumbers = ReadonlyMap<string, readonly number[]>;

const textOf = ({ tenant, subject }: SubjectKey): string => mapKey(tenant, subject);

/**
 * The numbers of the sets of each subject, where each set is one subject through all of the span; else null. It is so
 * for nearly all customers, and then the rows need not be told apart by time.
 */
export function setsBySubject(
  sets: SubjectSets,
  { from, to }: { readonly from: number; readonly to: number },
): SetNumbers | null {
  const numbers = new Map<string, number[]>();
  for (const [set, stretches] of sets.entries()) {
    const [only] = stretches;
    if (stretches.length !== 1 || only!.from > from || only!.to < to) return null;
    const key = textOf(only!);
    const known = numbers.get(key);
    if (known === undefined) numbers.set(key, [set]);
    else known.push(set);
  }
  return numbers;
}

export const setsOfSubject = (numbers: SetNumbers, key: SubjectKey): readonly number[] => numbers.get(textOf(key))!;

/** Each once. */
export const subjectsOfSets = (sets: SubjectSets): SubjectKey[] => [
  ...new Map(sets.flat().map(({ tenant, subject }) => [textOf({ tenant, subject }), { tenant, subject }])).values(),
];

/** SQL of a table: set_number, tenant_key, subject_key, starts and ends (seconds), a row a stretch. */
export function setTable(sets: SubjectSets): string {
  const rows = sets.flatMap((stretches, set) => stretches.map((stretch) => ({ set, ...stretch })));
  const columns = [
    rows.map(({ set }) => String(set)),
    rows.map(({ tenant }) => quoted(tenant)),
    rows.map(({ subject }) => quoted(subject)),
    rows.map(({ from }) => String(boundSeconds(from))),
    rows.map(({ to }) => String(boundSeconds(to))),
  ];
  const arrays = columns.map((values) => `[${values.join(', ')}]`).join(', ');
  return (
    '(SELECT each.1 AS set_number, each.2 AS tenant_key, each.3 AS subject_key, each.4 AS starts, each.5 AS ends ' +
    `FROM (SELECT arrayJoin(arrayZip(${arrays})) AS each))`
  );
}
