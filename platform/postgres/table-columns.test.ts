import { describe, expect, it } from '@jest/globals';
import { Decimal } from '../../domain/number/decimal.ts';
import {
  decimal,
  instant,
  int,
  json,
  large,
  namesOf,
  nullable,
  placeholders,
  type RecordOf,
  recordOf,
  selected,
  tableOf,
  text,
  unsigned64,
  valuesOf,
  whole,
} from './table-columns.ts';

const columns = {
  tenant: text('tenant'),
  startsAt: instant('starts_at'),
  endsAt: nullable(instant('ends_at')),
  seats: int('seats'),
  offset: whole('next_offset'),
  epoch: large('epoch'),
  checksum: unsigned64('checksum'),
  amount: decimal('amount'),
  groups: json<Readonly<Record<string, string>>>('groups'),
};
const record: RecordOf<typeof columns> = {
  ...{ tenant: 'acme', startsAt: 1_000, endsAt: null, seats: 3, offset: 2 ** 40, epoch: 7n },
  ...{ checksum: 2n ** 64n - 1n, amount: Decimal.parse('-0.10'), groups: { model: 'm' } },
};

describe('table columns', () => {
  it('are named in SQL as they are, and selected as code names them', () => {
    const some = { tenant: columns.tenant, startsAt: columns.startsAt };
    expect(namesOf(some)).toBe('tenant, starts_at');
    expect(namesOf(some, 'item')).toBe('item.tenant, item.starts_at');
    expect(selected(some, 'item')).toBe('item.tenant AS "tenant", item.starts_at AS "startsAt"');
    expect(placeholders(some)).toBe('$1, $2');
  });

  it('write records as arrays with types, in order', () => {
    const other = { ...record, tenant: 'a "b"\\', endsAt: 2_000, seats: -1 };
    const some = { tenant: columns.tenant, endsAt: columns.endsAt, seats: columns.seats };
    const { sql, params } = tableOf(some, [record, other], 'item', ['before']);
    expect(sql).toMatch(/^\(SELECT said.tenant, said.ends_at, said.seats, said.place\n/);
    expect(sql).toContain(
      'unnest($2::text[], $3::timestamptz[], $4::int[]) WITH ORDINALITY AS said (tenant, ends_at, seats',
    );
    expect(sql).toMatch(/\) AS item$/);
    expect(params).toEqual(['before', '{"acme","a \\"b\\"\\\\"}', '{NULL,"1970-01-01T00:00:02.000Z"}', '{3,-1}']);
  });

  it('write what all records have in common once', () => {
    const some = { tenant: columns.tenant, seats: columns.seats, endsAt: columns.endsAt };
    const many = [0, 1].map((seats) => ({ tenant: 'acme', seats, endsAt: null }));
    const { sql, params } = tableOf(some, many, 'item');
    expect(sql).toContain('SELECT $1::text AS tenant, said.seats, $3::timestamptz AS ends_at, said.place');
    expect(sql).toContain('unnest($2::int[]) WITH ORDINALITY AS said (seats, place)');
    expect(params).toEqual(['acme', '{0,1}', null]);
  });

  it('are as many rows as there are records, also where all say the same', () => {
    const { sql, params } = tableOf({ tenant: columns.tenant }, [record, record, record], 'item');
    expect(sql).toContain('unnest(array_fill(0, ARRAY[3])) WITH ORDINALITY AS said (nothing, place)');
    expect(params).toEqual(['acme']);
  });

  it('read what pg gives for what was written', () => {
    expect(valuesOf(columns, record)).toEqual([
      ...['acme', '1970-01-01T00:00:01.000Z', null, 3, 2 ** 40, '7'],
      ...['18446744073709551615', '-0.1', '{"model":"m"}'],
    ]);
    const stored = {
      ...{ tenant: 'acme', startsAt: new Date(1_000), endsAt: null, seats: 3, offset: '1099511627776', epoch: '7' },
      ...{ checksum: '18446744073709551615', amount: '-0.100', groups: { model: 'm' }, more: 1 },
    };
    expect(recordOf(columns, stored)).toEqual({ ...record, amount: Decimal.parse('-0.100') });
  });
});
