// The last comparison, when everything has healed and drained: row by row, ClickHouse against the log.

import { PARTITIONS } from '../plan.ts';
import type { RollUpRow, TotalRow } from '../stores/inserted-rows.ts';
import type { World } from '../world.ts';
import { type Reading, rollUpKey, type UsageOracle, Violation } from './usage-oracle.ts';

const ALWAYS = Number.POSITIVE_INFINITY;

export function checkStores(world: World): void {
  for (let partition = 0; partition < PARTITIONS; partition++) checkPartition(world, partition);
}

function checkPartition({ oracle, clickhouse, postgres }: World, partition: number): void {
  const seals = postgres.seals[partition]!;
  const sealedTo = postgres.progress[partition]!.nextOffset;
  const chunks = oracle.chunksOf(partition);
  const events = [...clickhouse.events.final(partition, ALWAYS)].filter((row) => row.offset < sealedTo);
  const rejects = [...clickhouse.rejects.final(partition, ALWAYS)].filter((row) => row.offset < sealedTo);
  const rollUps = new Map<number, RollUpRow[]>();
  for (const row of clickhouse.rollUps.final(partition, ALWAYS)) {
    const rows = rollUps.get(row.chunk);
    if (rows === undefined) rollUps.set(row.chunk, [row]);
    else rows.push(row);
  }
  const eventsAt = new Map(events.map((row) => [`${row.offset}/${row.index}`, row]));
  const rejectsAt = new Map(rejects.map((row) => [`${row.offset}/${row.index}`, row]));
  let offset = 0;
  let accepted = 0;
  let rejected = 0;
  for (const seal of seals) {
    const chunk = chunks[seal.chunk]!;
    const at = `partition ${partition} chunk ${seal.chunk}`;
    if (seal.startOffset !== offset) throw new Violation('I1', `${at} starts at ${seal.startOffset}, not at ${offset}`);
    offset = seal.endOffset;
    for (const each of chunk.accepted) {
      const row = eventsAt.get(`${each.offset}/${each.index}`);
      if (row === undefined) throw new Violation('I2', `${at}: event ${each.event.id} is accepted and not stored`);
      const isSame = row.tenant === each.event.tenant && row.id === each.event.id && row.epoch >= Number(seal.epoch);
      if (!isSame)
        throw new Violation(
          'I2',
          `${at}: event ${each.event.id} is stored as ${row.tenant}/${row.id} of epoch ${row.epoch}`,
        );
      accepted++;
    }
    for (const each of chunk.rejected) {
      const row = rejectsAt.get(`${each.offset}/${each.index}`);
      if (row?.reason !== each.outcome)
        throw new Violation('I2', `${at}: a reject of ${each.outcome} is stored as ${row?.reason}`);
      rejected++;
    }
    const totals = clickhouse.totals.final(partition, ALWAYS, { from: seal.chunk, to: seal.chunk });
    const revised = postgres.recounts.revisedNow(partition, seal.chunk);
    const counts = { revision: revised?.revision ?? 0, epoch: Number(revised?.epoch ?? seal.epoch) };
    const isCounted = (row: RollUpRow | TotalRow): boolean =>
      row.revision === counts.revision && row.epoch >= counts.epoch;
    const readings = chunk.readings.filter(({ until }) => until === ALWAYS);
    checkTotals(at, readings, totals.filter(isCounted));
    checkRollUps(oracle, at, readings, (rollUps.get(seal.chunk) ?? []).filter(isCounted));
  }
  if (accepted !== events.length)
    throw new Violation('I2', `partition ${partition}: ${events.length} events are stored, ${accepted} are accepted`);
  if (rejected !== rejects.length)
    throw new Violation('I2', `partition ${partition}: ${rejects.length} rejects are stored, ${rejected} are counted`);
}

const byValue = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

/** What one roll-up row keeps, from its readings: of a mean the sum. */
export function mergedValue(aggregation: string, readings: readonly Reading[]): bigint {
  const one = 1_000_000_000_000n;
  switch (aggregation) {
    case 'sum':
    case 'count':
    case 'avg':
      return readings.reduce((sum, { quantity }) => sum + quantity, 0n);
    case 'max':
      return readings
        .map(({ quantity }) => quantity)
        .sort(byValue)
        .at(-1)!;
    case 'min':
      return readings.map(({ quantity }) => quantity).sort(byValue)[0]!;
    case 'latest':
      return readings.reduce((last, each) => (isLater(each, last) ? each : last)).quantity;
    default:
      return BigInt(new Set(readings.map(({ text }) => text)).size) * one;
  }
}

/** By event time, then T, then partition and place in it. */
function isLater(a: Reading, b: Reading): boolean {
  const key = ({ order: [eventTime, at, offset, index], partition }: Reading) => [
    eventTime,
    at,
    partition,
    offset,
    index,
  ];
  const [x, y] = [key(a), key(b)];
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return x[i]! > y[i]!;
  return false;
}

function checkRollUps(oracle: UsageOracle, at: string, readings: readonly Reading[], rows: readonly RollUpRow[]): void {
  const expected = new Map<string, Reading[]>();
  for (const reading of readings) {
    const group = expected.get(reading.rollUp);
    if (group === undefined) expected.set(reading.rollUp, [reading]);
    else group.push(reading);
  }
  if (rows.length !== expected.size)
    throw new Violation('I2', `${at}: ${rows.length} roll-ups are stored, ${expected.size} follow from the log`);
  for (const row of rows) {
    const key = rollUpKey(row.tenant, row.meter, row.subject, row.windowStart, row.groupValues);
    const group = expected.get(key);
    if (group === undefined) throw new Violation('I2', `${at}: nothing in the log makes the roll-up ${key}`);
    const value = mergedValue(oracle.aggregationOf(row.tenant, row.meter), group);
    if (row.value !== value || row.eventCount !== group.length) {
      throw new Violation(
        'I2',
        `${at}: roll-up ${key} is ${row.value} of ${row.eventCount} events, should be ${value} of ${group.length}`,
      );
    }
  }
}

/** What the readings of all subjects come to, each window and group by itself. */
function checkTotals(at: string, readings: readonly Reading[], rows: readonly TotalRow[]): void {
  const expected = new Map<string, { value: bigint; events: number }>();
  for (const { total, quantity } of readings) {
    if (total === null) continue;
    const { value, events } = expected.get(total) ?? { value: 0n, events: 0 };
    expected.set(total, { value: value + quantity, events: events + 1 });
  }
  if (rows.length !== expected.size)
    throw new Violation('I2', `${at}: ${rows.length} totals are stored, ${expected.size} follow from the log`);
  for (const { tenant, meter, windowStart, groupText, value, eventCount } of rows) {
    const key = rollUpKey(tenant, meter, '', windowStart, JSON.parse(groupText) as string[]);
    const total = expected.get(key);
    if (total?.value !== value || total.events !== eventCount) {
      throw new Violation('I2', `${at}: the total ${key} is ${value} of ${eventCount} events, not ${print(total)}`);
    }
  }
}

const print = (total: { value: bigint; events: number } | undefined): string =>
  total === undefined ? 'nothing' : `${total.value} of ${total.events}`;
