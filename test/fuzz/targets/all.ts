// Every target there is, by name.
import type { FuzzTarget } from '../campaign.ts';
import { bodies } from './bodies.ts';
import { catalogs, catalogTexts } from './catalogs.ts';
import { costs } from './costs.ts';
import { decimals } from './decimals.ts';
import { records } from './records.ts';

export const targets: readonly FuzzTarget[] = [bodies, costs, decimals, records, catalogs, catalogTexts];
