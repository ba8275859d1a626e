// Which group values a tenant's usage has, in order, a page at a time; and of some of them, whose usage has them.
// Values that are "" at the end are left out. The versions of a row share its group values, subject and window, so none
// need be merged, and rows that are not sealed are told as well.
import type { UsedGroup } from '../../domain/catalog/price-coverage.ts';
import type { TenantsOfVersion } from '../../domain/catalog/tenant-versions.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import { quoted } from '../clickhouse/quoted.ts';
import { groupTextWithoutEnd } from './group-texts.ts';
import { boundSeconds } from './usage-query.ts';

export interface GroupOfMeter {
  readonly meter: string;
  /** The text of its group values, without those that are "" at the end. */
  readonly groupText: string;
}

interface GroupSelection {
  readonly tenant: string;
  /** Windows that start at or after `from` and before `to`; milliseconds. */
  readonly from: number;
  readonly to: number;
}

export interface GroupPageSelection extends GroupSelection {
  /** Slugs. */
  readonly meters: readonly string[];
  /** Only those behind it; null: from the first. */
  readonly after: GroupOfMeter | null;
  readonly groupsMax: number;
}

export interface GroupSubjectSelection extends GroupSelection {
  readonly groups: readonly GroupOfMeter[];
}

/** Of some group values: a subject that has them, and its first and last window with them. */
export interface GroupSubject extends GroupOfMeter {
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly firstWindow: number;
  readonly lastWindow: number;
}

const GROUP_TEXT = groupTextWithoutEnd('group_values');

const IN_RANGE =
  'tenant = {tenant:String} AND meter IN {meters:Array(String)} ' +
  "AND window_start >= toDateTime({from:UInt32}, 'UTC') AND window_start < toDateTime({to:UInt32}, 'UTC')";

/** By meter, then by the text of the group values. */
export async function readGroupPage(
  clickhouse: Pick<ClickHouse, 'query'>,
  { tenant, meters, from, to, after, groupsMax }: GroupPageSelection,
): Promise<GroupOfMeter[]> {
  const behind = after === null ? '' : 'HAVING (meter, group_text) > ({after_meter:String}, {after_groups:String})';
  const rows = await clickhouse.query<{ meter: string; group_text: string }>(
    `SELECT meter, ${GROUP_TEXT} AS group_text FROM (SELECT DISTINCT meter, group_values FROM usage_rollups WHERE ${IN_RANGE})
     GROUP BY meter, group_text ${behind} ORDER BY meter, group_text LIMIT {groups_max:UInt32}`,
    {
      ...{ tenant, meters, from: boundSeconds(from), to: boundSeconds(to), groups_max: groupsMax },
      ...(after !== null && { after_meter: after.meter, after_groups: after.groupText }),
    },
  );
  return rows.map(({ meter, group_text }) => ({ meter, groupText: group_text }));
}

/** Of these groups, in the order of subjects. */
export async function* streamGroupSubjects(
  clickhouse: Pick<ClickHouse, 'stream'>,
  { tenant, from, to, groups }: GroupSubjectSelection,
): AsyncGenerator<readonly GroupSubject[], void, undefined> {
  const meters = [...new Set(groups.map(({ meter }) => meter))];
  const sql =
    `SELECT subject, meter, ${GROUP_TEXT} AS group_text, min(toUnixTimestamp(window_start)), ` +
    `max(toUnixTimestamp(window_start)) FROM usage_rollups WHERE ${IN_RANGE} ` +
    `AND ${GROUP_TEXT} IN {group_texts:Array(String)} GROUP BY subject, meter, group_text ORDER BY subject`;
  const params = {
    ...{ tenant, meters, from: boundSeconds(from), to: boundSeconds(to) },
    group_texts: [...new Set(groups.map(({ groupText }) => groupText))],
  };
  const wanted = new Set(groups.map(({ meter, groupText }) => JSON.stringify([meter, groupText])));
  for await (const rows of clickhouse.stream(sql, params)) {
    yield (rows as [string, string, string, number, number][])
      .filter(([, meter, groupText]) => wanted.has(JSON.stringify([meter, groupText])))
      .map(([subject, meter, groupText, first, last]) => ({
        ...{ subject, meter, groupText },
        ...{ firstWindow: Number(first) * 1_000, lastWindow: Number(last) * 1_000 },
      }));
  }
}

export interface UsedGroupsSelection {
  readonly tenants: TenantsOfVersion;
  /** Slugs. */
  readonly meters: readonly string[];
  /** Windows that start then or later; milliseconds. */
  readonly from: number;
  readonly groupsMax: number;
}

/** In the text of the statement, since they may be many: parameters travel in the URL. */
function inTenants(tenants: TenantsOfVersion): string {
  if ('tenant' in tenants) return `tenant = ${quoted(tenants.tenant)}`;
  return tenants.except.length === 0 ? 'true' : `tenant NOT IN (${tenants.except.map(quoted).join(', ')})`;
}

/** Those of most subjects first. */
export async function readUsedGroups(
  clickhouse: Pick<ClickHouse, 'query'>,
  { tenants, meters, from, groupsMax }: UsedGroupsSelection,
): Promise<UsedGroup[]> {
  if (meters.length === 0) return [];
  interface Row {
    readonly meter: string;
    readonly group_text: string;
    readonly subjects: number | string;
    readonly first: number | string;
    readonly last: number | string;
  }
  const rows = await clickhouse.query<Row>(
    `SELECT meter, ${GROUP_TEXT} AS group_text, uniqExact(tenant, subject) AS subjects,
       min(toUnixTimestamp(window_start)) AS first, max(toUnixTimestamp(window_start)) AS last
     FROM usage_rollups WHERE meter IN {meters:Array(String)} AND window_start >= toDateTime({from:UInt32}, 'UTC')
       AND ${inTenants(tenants)}
     GROUP BY meter, group_text ORDER BY subjects DESC, meter, group_text LIMIT {groups_max:UInt32}`,
    { meters, from: boundSeconds(from), groups_max: groupsMax },
  );
  return rows.map(({ meter, group_text, subjects, first, last }) => ({
    ...{ meter, groupValues: JSON.parse(group_text) as string[], subjects: Number(subjects) },
    ...{ firstSeen: Number(first) * 1_000, lastSeen: Number(last) * 1_000 },
  }));
}

/** Whether there is any usage of a meter, sealed or not. */
export async function hasRows(
  clickhouse: Pick<ClickHouse, 'query'>,
  { tenants, meter }: { readonly tenants: TenantsOfVersion; readonly meter: string },
): Promise<boolean> {
  const rows = await clickhouse.query(
    `SELECT 1 FROM usage_rollups WHERE meter = {meter:String} AND ${inTenants(tenants)} LIMIT 1`,
    { meter },
  );
  return rows.length > 0;
}
