// Customers of the tenant acme and whose a subject is, put into the tables as they are in the end: nobody is due by it.
import type pg from 'pg';

export const addCustomer = (pool: pg.Pool, id: string): Promise<unknown> =>
  pool.query(
    `INSERT INTO tallyline.customers (tenant, id, shard, version, entity, paid_by, personal, created_at, updated_at)
     VALUES ('acme', $1, 0, 1, 'default', 'self', '', now(), now())`,
    [id],
  );

/** From an instant on, in milliseconds since the epoch. */
export async function assignSubject(pool: pg.Pool, subject: string, customer: string, from: number): Promise<void> {
  await pool.query(
    `INSERT INTO tallyline.assigned_subjects (tenant, subject, version, created_at, updated_at)
     VALUES ('acme', $1, 1, now(), now()) ON CONFLICT DO NOTHING`,
    [subject],
  );
  const assignment = [subject, new Date(from), customer];
  await pool.query("INSERT INTO tallyline.subject_assignments VALUES ('acme', $1, $2, $3)", assignment);
}
