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
    const { sql, params } = tableOf({ tenant: columns.tenant, endsAt: columns.endsAt }, [record, record], 'item');
    expect(sql).toBe('unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS item (tenant, ends_at, place)');
    expect(params).toEqual([
      ['acme', 'acme'],
      [null, null],
    ]);
  });

  it('write what many records have in common once', () => {
    const some = { tenant: columns.tenant, seats: columns.seats, endsAt: columns.endsAt };
    const many = Array.from({ length: 16 }, (_, seats) => ({ tenant: 'acme', seats, endsAt: null }));
    const { sql, params } = tableOf(some, many, 'item');
    expect(sql).toBe(
      'unnest(array_fill($1::text, ARRAY[16]), $2::int[], array_fill($3::timestamptz, ARRAY[16])) WITH ORDINALITY ' +
        'AS item (tenant, seats, ends_at, place)',
    );
    expect(params).toEqual(['acme', many.map(({ seats }) => seats), null]);
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
