// flat: one amount a period, whatever is used.
import { Decimal } from '../../../domain/decimal.ts';
import type { Pricer } from './pricer.ts';

export const flat: Pricer<'flat'> = (_cumulative, { flatAmount }) => Decimal.parse(flatAmount);
