// What the measured costs of an event mean for a deployment larger than the machine they were measured on. Simple on
// purpose: every stage but the aggregator's owners is taken to grow with the rate, and each resource to be used up to a
// share of it that leaves room for peaks. What is assumed and not measured stands in `assumptions`.

/** Per event, from the benches. */
export interface EventCosts {
  readonly gatewayCpuMicros: number;
  readonly kafkaCpuMicros: number;
  /** Of one aggregator process, whose work is on one thread. */
  readonly aggregatorCpuMicros: number;
  readonly clickhouseCpuMicros: number;
  readonly postgresCpuMicros: number;
  readonly raterCpuMicros: number;
  readonly logBytes: number;
  readonly clickhouseBytes: number;
  /** In an aggregator's memory, of a remembered key that is in a file. */
  readonly keyBytes: number;
}

export const assumptions = {
  /** Of a core, a disk or a network that may be in use on average. */
  utilisation: 0.6,
  /** Days for which keys are remembered, and for which the log is kept. */
  horizonDays: 35,
  logDays: 71,
  replicas: 3,
  brokers: 3,
  brokerBytesPerSecond: 200e6,
  clickhouseServerCores: 32,
  /** Inserts a second over all tables that one server merges for long without falling behind. */
  clickhouseInsertsPerSecond: 100,
  insertsPerFlush: 4,
  flushesPerSecond: 1,
  aggregatorMemoryBytes: 64e9,
  /** On an aggregator's disk: 32 bytes a key, and as much again while files are merged. */
  keyFileBytes: 64,
  partitions: 12,
} as const;

const SECONDS_PER_DAY = 86_400;

/** Events a second that one core takes at the utilisation that is allowed for. */
const perCore = (cpuMicros: number): number => (assumptions.utilisation * 1e6) / cpuMicros;

export interface Deployment {
  readonly eventsPerSecond: number;
  readonly gatewayCores: number;
  readonly kafkaCores: number;
  readonly aggregatorProcesses: number;
  readonly clickhouseCores: number;
  readonly postgresCores: number;
  readonly raterCores: number;
  readonly brokers: number;
  readonly insertsPerSecond: number;
  readonly keyMemoryGB: number;
  readonly keyFilesTB: number;
  readonly logTB: number;
  readonly clickhouseTBPerDay: number;
}

export function deploymentFor(costs: EventCosts, eventsPerSecond: number): Deployment {
  const a = assumptions;
  const cores = (cpuMicros: number): number => Math.ceil(eventsPerSecond / perCore(cpuMicros));
  const keys = eventsPerSecond * SECONDS_PER_DAY * a.horizonDays;
  const byCpu = cores(costs.aggregatorCpuMicros);
  const byMemory = Math.ceil((keys * costs.keyBytes) / a.aggregatorMemoryBytes);
  const aggregatorProcesses = Math.max(byCpu, byMemory);
  return {
    eventsPerSecond,
    gatewayCores: cores(costs.gatewayCpuMicros),
    kafkaCores: cores(costs.kafkaCpuMicros * a.replicas),
    aggregatorProcesses,
    clickhouseCores: cores(costs.clickhouseCpuMicros),
    postgresCores: cores(costs.postgresCpuMicros),
    raterCores: cores(costs.raterCpuMicros),
    brokers: Math.max(
      a.brokers,
      Math.ceil((eventsPerSecond * costs.logBytes * a.replicas) / (a.brokerBytesPerSecond * a.utilisation)),
    ),
    insertsPerSecond: aggregatorProcesses * a.insertsPerFlush * a.flushesPerSecond,
    keyMemoryGB: (keys * costs.keyBytes) / 1e9,
    keyFilesTB: (keys * a.keyFileBytes) / 1e12,
    logTB: (eventsPerSecond * SECONDS_PER_DAY * a.logDays * costs.logBytes * a.replicas) / 1e12,
    clickhouseTBPerDay: (eventsPerSecond * SECONDS_PER_DAY * costs.clickhouseBytes) / 1e12,
  };
}

export interface Limit {
  readonly what: string;
  /** Where a deployment as it comes (12 partitions, three brokers, one ClickHouse server) ends because of this. */
  readonly eventsPerSecond: number;
  readonly turn: string;
}

/** What ends first comes first. */
export function limitsOf(costs: EventCosts): Limit[] {
  const a = assumptions;
  const keysPerSecondHeld = SECONDS_PER_DAY * a.horizonDays * costs.keyBytes;
  const insertingProcesses = a.clickhouseInsertsPerSecond / (a.insertsPerFlush * a.flushesPerSecond);
  const limits: Limit[] = [
    {
      what: `aggregator CPU: ${a.partitions} partitions can have ${a.partitions} owners, each on one core`,
      eventsPerSecond: a.partitions * perCore(costs.aggregatorCpuMicros),
      turn: 'TALLYLINE_PARTITIONS, before the topic is first used; later a new topic generation',
    },
    {
      what: `dedup memory: ${a.partitions} aggregators of ${a.aggregatorMemoryBytes / 1e9} GB hold ${a.horizonDays} days of keys in files`,
      eventsPerSecond: (a.partitions * a.aggregatorMemoryBytes) / keysPerSecondHeld,
      turn: 'more partitions and aggregators, more memory each, or a shorter TALLYLINE_HORIZON',
    },
    {
      what: `ClickHouse CPU: one server of ${a.clickhouseServerCores} cores`,
      eventsPerSecond: a.clickhouseServerCores * perCore(costs.clickhouseCpuMicros),
      turn: 'a larger server, or several shards',
    },
    {
      what: `ClickHouse inserts: ${a.clickhouseInsertsPerSecond} a second, ${a.insertsPerFlush} a flush of each aggregator`,
      eventsPerSecond: insertingProcesses * perCore(costs.aggregatorCpuMicros),
      turn: 'a longer TALLYLINE_FLUSH_INTERVAL: usage is queryable that much later',
    },
    {
      what: `log: ${a.brokers} brokers that write ${a.brokerBytesPerSecond / 1e6} MB/s each, ${a.replicas} replicas`,
      eventsPerSecond: (a.brokers * a.brokerBytesPerSecond * a.utilisation) / (costs.logBytes * a.replicas),
      turn: 'more brokers',
    },
  ];
  return limits.sort((one, other) => one.eventsPerSecond - other.eventsPerSecond);
}
