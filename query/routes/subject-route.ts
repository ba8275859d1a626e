// GET /v1/subjects: who has usage of the published meters, in pages by name.
import { pageOf } from '../../domain/requests/cursor.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { readSubjects } from '../../platform/usage-store/subject-list.ts';
import { parseSubjectsRequest, subjectCursor } from '../core/subject-page.ts';
import type { Read } from '../read.ts';

export const listSubjects: Read = async ({ clickhouse, catalogs }, { tenant, subjects, parameters }) => {
  const { search, limit, after } = parseSubjectsRequest(parameters);
  const { newest } = await catalogs.published(tenant);
  const meters = newest.meters.map(({ slug }) => slug);
  if (meters.length === 0) return { data: [], nextCursor: null };
  // One more than asked for tells whether there is a next page.
  const selection = { tenant, meters, among: subjects, prefix: search, after };
  const found = await readSubjects(clickhouse, { ...selection, subjectsMax: limit + 1 });
  const { page, last } = pageOf(found, limit);
  return {
    data: page.map(({ subject, firstWindow, lastWindow }) => ({
      subject,
      firstSeen: formatRfc3339(firstWindow),
      lastSeen: formatRfc3339(lastWindow),
    })),
    nextCursor: last === undefined ? null : subjectCursor(search, last.subject),
  };
};
