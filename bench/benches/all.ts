// Every bench there is, in the order of the documentation.
import type { Bench } from '../bench.ts';
import { importing, manage } from './accounts.ts';
import { aggregator, aggregatorCore, giant } from './aggregator.ts';
import { acquire, dedup } from './dedup.ts';
import { gateway, gatewayForms, gatewaySingle } from './gateway.ts';
import { growth } from './growth.ts';
import { embedded, pipeline } from './pipeline.ts';
import { query } from './query.ts';
import { rater, raterMonth, raterMonthStart, raterSpread } from './rater.ts';
import { raterShards } from './rater-shards.ts';
import { scaleOut } from './scale-out.ts';
import { size } from './size.ts';
import { worstBody } from './worst-body.ts';

export const benches: readonly Bench[] = [
  ...[gateway, gatewayForms, gatewaySingle, worstBody, aggregatorCore, aggregator, pipeline, embedded, giant],
  ...[dedup, acquire, rater, raterMonth, raterMonthStart, raterSpread, raterShards, query, growth, scaleOut, size],
  ...[manage, importing],
];
