// Every target there is, by name.
import type { FuzzTarget } from '../campaign.ts';
import { bodies } from './bodies.ts';
import { catalogs, catalogTexts } from './catalogs.ts';
import { decimals } from './decimals.ts';
import { records } from './records.ts';

export const targets: readonly FuzzTarget[] = [bodies, decimals, records, catalogs, catalogTexts];
