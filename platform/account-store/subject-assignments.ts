// Which subject is whose from when on. A subject has one line of changes, under the lock of its row in
// tallyline.assigned_subjects, which is there from its first assignment on.
import { type AssignedSubject, type Assignment, withAssignment } from '../../domain/accounts/assignments.ts';
import type { TenantSubject } from '../../domain/accounts/ownership.ts';
import type { SubjectKey, TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import { instant, int, type Queries, recordOf, selected, tableOf, text } from '../postgres/table-columns.ts';
import { type Author, appendChanges } from './account-changes.ts';

export const assignedSubjectColumns = {
  tenant: text('tenant'),
  subject: text('subject'),
  version: int('version'),
  createdAt: instant('created_at'),
  updatedAt: instant('updated_at'),
};
export const assignmentColumns = {
  tenant: text('tenant'),
  subject: text('subject'),
  from: instant('starts_at'),
  customer: text('customer'),
};

/** A subject as its newest change left it; version 0: it was never assigned. */
export interface SubjectRecord extends AssignedSubject {
  readonly tenant: string;
  readonly version: number;
  readonly createdAt: number | null;
  readonly updatedAt: number | null;
}

const SELECT_SUBJECT = `SELECT ${selected(assignedSubjectColumns, 's')} FROM tallyline.assigned_subjects s
  WHERE s.tenant = $1 AND s.subject = $2`;

async function readAssignments(queries: Queries, tenant: string, subject: string): Promise<Assignment[]> {
  const { rows } = await queries.query(
    `SELECT ${selected(assignmentColumns, 'a')} FROM tallyline.subject_assignments a
     WHERE a.tenant = $1 AND a.subject = $2 ORDER BY a.starts_at`,
    [tenant, subject],
  );
  return rows.map((row) => {
    const { customer, from } = recordOf(assignmentColumns, row);
    return { customer, from };
  });
}

export async function readAssignedSubject(queries: Queries, tenant: string, subject: string): Promise<SubjectRecord> {
  const { rows } = await queries.query(SELECT_SUBJECT, [tenant, subject]);
  if (rows.length === 0) return { tenant, subject, assignments: [], version: 0, createdAt: null, updatedAt: null };
  const assignments = await readAssignments(queries, tenant, subject);
  return { ...recordOf(assignedSubjectColumns, rows[0]!), assignments };
}

/** Locks the subject until the transaction ends, with a row that is gone where the transaction is rolled back. */
export async function lockSubject(queries: Queries, tenant: string, subject: string): Promise<SubjectRecord> {
  await queries.query(
    `INSERT INTO tallyline.assigned_subjects (tenant, subject, version, created_at, updated_at)
     SELECT $1, $2, 0, now, now FROM date_trunc('milliseconds', clock_timestamp()) AS now ON CONFLICT DO NOTHING`,
    [tenant, subject],
  );
  const { rows } = await queries.query(`${SELECT_SUBJECT} FOR UPDATE`, [tenant, subject]);
  const assignments = await readAssignments(queries, tenant, subject);
  return { ...recordOf(assignedSubjectColumns, rows[0]!), assignments };
}

/** The instant of a change that is made now: the clock of Postgres. */
export async function readNow(queries: Queries): Promise<number> {
  const { rows } = await queries.query<{ now: Date }>("SELECT date_trunc('milliseconds', clock_timestamp()) AS now");
  return rows[0]!.now.getTime();
}

/** Adds the assignment, or puts it into the place of the one from the same instant. The subject is locked. */
export async function saveAssignment(
  queries: Queries,
  { tenant, actor }: Author,
  locked: SubjectRecord,
  added: Assignment,
  reason: string | null,
): Promise<SubjectRecord> {
  const { subject, createdAt } = locked;
  const version = locked.version + 1;
  const assignments = withAssignment(locked.assignments, added);
  await queries.query(
    `INSERT INTO tallyline.subject_assignments (tenant, subject, starts_at, customer) VALUES ($1, $2, $3, $4)
     ON CONFLICT (tenant, subject, starts_at) DO UPDATE SET customer = excluded.customer`,
    [tenant, subject, new Date(added.from), added.customer],
  );
  const { rows } = await queries.query<{ now: Date }>(
    `UPDATE tallyline.assigned_subjects SET version = $3,
       updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), updated_at)
     WHERE tenant = $1 AND subject = $2 RETURNING updated_at AS now`,
    [tenant, subject, version],
  );
  const updatedAt = rows[0]!.now.getTime();
  await appendChanges(queries, [
    {
      ...{ tenant, kind: 'subject', id: subject, version, actor, reason, recordedAt: updatedAt },
      ...{ after: { assignments }, personal: null },
    },
  ]);
  return { tenant, subject, assignments, version, createdAt, updatedAt };
}

/** A stretch of time in which a subject is a customer's. */
export interface SubjectStretch {
  readonly subject: string;
  readonly from: number;
  /** Null: for as long as nothing else is said. */
  readonly to: number | null;
  /** Of the subject, in the order in which they were first assigned. */
  readonly number: number;
}

export interface StretchSelection {
  readonly tenant: string;
  readonly customer: string;
  /** Only those after it; null: from the first. */
  readonly after: Pick<SubjectStretch, 'number' | 'from'> | null;
  readonly rowsMax: number;
}

/** In the order of subjects, then of time. */
export async function readStretches(
  queries: Queries,
  { tenant, customer, after, rowsMax }: StretchSelection,
): Promise<SubjectStretch[]> {
  const { rows } = await queries.query<{ subject: string; from: Date; to: Date | null; number: string }>(
    `SELECT a.subject, a.starts_at AS "from", s.number, (
       SELECT min(next.starts_at) FROM tallyline.subject_assignments next
       WHERE next.tenant = a.tenant AND next.subject = a.subject AND next.starts_at > a.starts_at) AS "to"
     FROM tallyline.subject_assignments a
     JOIN tallyline.assigned_subjects s ON s.tenant = a.tenant AND s.subject = a.subject
     WHERE a.tenant = $1 AND a.customer = $2 AND ($3::bigint IS NULL OR (s.number, a.starts_at) > ($3, $4))
     ORDER BY s.number, a.starts_at LIMIT $5`,
    [tenant, customer, after?.number ?? null, after === null ? null : new Date(after.from), rowsMax],
  );
  return rows.map(({ subject, from, to, number }) => ({
    ...{ subject, number: Number(number), from: from.getTime() },
    to: to?.getTime() ?? null,
  }));
}

/**
 * Of each of these customers that ever had a subject of another name, or not the one of its own: from when on it was
 * so, first. The others are their own subjects.
 */
export async function readFirstSharing(
  queries: Queries,
  tenant: string,
  customers: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await queries.query<{ name: string; first: Date }>(
    `SELECT name, min(starts_at) AS first FROM (
       SELECT customer AS name, starts_at FROM tallyline.subject_assignments
       WHERE tenant = $1 AND customer = ANY($2) AND subject <> customer
       UNION ALL
       SELECT subject, starts_at FROM tallyline.subject_assignments
       WHERE tenant = $1 AND subject = ANY($2) AND subject <> customer
     ) shared GROUP BY name`,
    [tenant, customers],
  );
  return new Map(rows.map(({ name, first }) => [name, first.getTime()]));
}

const namesColumns = { tenant: text('tenant'), customer: text('customer') };

/** Every subject of these names, or that was ever assigned to a customer of these names, with all its assignments. */
export async function readAssignmentsAround(
  queries: Queries,
  names: readonly TenantCustomer[],
): Promise<TenantSubject[]> {
  const wanted = tableOf(namesColumns, names, 'wanted');
  // Where nothing was ever assigned, nothing is looked for.
  const { rows } = await queries.query(
    `SELECT ${selected(assignmentColumns, 'a')} FROM tallyline.subject_assignments a
     WHERE (SELECT EXISTS (SELECT FROM tallyline.subject_assignments)) AND (a.tenant, a.subject) IN (
       SELECT tenant, customer FROM ${wanted.sql}
       UNION ALL
       SELECT b.tenant, b.subject FROM ${wanted.sql} JOIN tallyline.subject_assignments b USING (tenant, customer)
     ) ORDER BY a.tenant, a.subject, a.starts_at`,
    wanted.params,
  );
  return subjectsOf(rows);
}

const subjectColumns = { tenant: text('tenant'), subject: text('subject') };

/** Of these subjects, those that were ever assigned, with all their assignments. */
export async function readAssigned(queries: Queries, subjects: readonly SubjectKey[]): Promise<TenantSubject[]> {
  const wanted = tableOf(subjectColumns, subjects, 'wanted');
  // Where nothing was ever assigned, nothing is looked for.
  const { rows } = await queries.query(
    `SELECT ${selected(assignmentColumns, 'a')}
     FROM ${wanted.sql} JOIN tallyline.subject_assignments a USING (tenant, subject)
     WHERE (SELECT EXISTS (SELECT FROM tallyline.subject_assignments)) ORDER BY a.tenant, a.subject, a.starts_at`,
    wanted.params,
  );
  return subjectsOf(rows);
}

/** Every subject that was ever assigned; `tenant` null: of all tenants. */
export async function readAllAssignments(queries: Queries, tenant: string | null): Promise<TenantSubject[]> {
  const { rows } = await queries.query(
    `SELECT ${selected(assignmentColumns, 'a')} FROM tallyline.subject_assignments a
     WHERE $1::text IS NULL OR a.tenant = $1 ORDER BY a.tenant, a.subject, a.starts_at`,
    [tenant],
  );
  return subjectsOf(rows);
}

/** Of rows in the order of subjects and then of time. */
function subjectsOf(rows: readonly Readonly<Record<string, unknown>>[]): TenantSubject[] {
  const found: { tenant: string; subject: string; assignments: Assignment[] }[] = [];
  for (const row of rows) {
    const { tenant, subject, customer, from } = recordOf(assignmentColumns, row);
    const last = found.at(-1);
    if (last?.tenant === tenant && last.subject === subject) last.assignments.push({ customer, from });
    else found.push({ tenant, subject, assignments: [{ customer, from }] });
  }
  return found;
}
