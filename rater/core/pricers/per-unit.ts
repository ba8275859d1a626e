// per_unit: every unit costs the same. Negative usage (a meter may be corrected below zero) is credited at the same rate.
import { Decimal } from '../../../domain/decimal.ts';
import type { Pricer } from './pricer.ts';

export const perUnit: Pricer<'per_unit'> = (cumulative, { unitAmount }) => cumulative.times(Decimal.parse(unitAmount));
