// Bodies that are made to cost, each admitted a few times as the gateway does it, part by part. What is told is the
// worst of them beside an honest body of as many bytes: CPU time and memory a byte, and how long a part keeps the
// gateway from all else.
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { emptyCatalog } from '../../domain/catalog/catalog.ts';
import { NEWEST_RULE_SET, ruleSet } from '../../domain/metering/rule-set.ts';
import { admitBody } from '../../ingest/core/body-admission.ts';
import { bodyFormOf } from '../../ingest/core/body-form.ts';
import { compileMeterChecks } from '../../ingest/core/meter-checks.ts';
import { type CostlyBody, costlyBodies, honestBody } from '../workload/costly-bodies.ts';
import { runAsProgram } from './program.ts';

export interface WorstBodyInput {
  readonly bytes: number;
}

export interface WorstBodyOutput {
  /** Of all bodies that were admitted. */
  readonly bytes: number;
  readonly honestNanosPerByte: number;
  readonly worstNanosPerByte: number;
  readonly longestPartMs: number;
  /** What the heap grew by while a body was admitted, the accepted events included. */
  readonly worstHeapBytesPerByte: number;
}

/** The first time is the compiler's. */
const ROUNDS = 3;

const catalog: Catalog = {
  ...emptyCatalog,
  meters: ['input_tokens', 'output_tokens'].map((slug) => ({
    ...{ slug, eventType: 'llm.completion', aggregation: 'sum' as const, valuePath: [slug], required: false },
    dimensions: ['model', 'operation', 'region'].map((name) => ({ name, path: [name] })),
    window: '1h' as const,
  })),
};
const now = Date.now();
const context = {
  tenant: 'bench',
  subjects: null,
  now,
  horizonMs: 35 * 86_400_000,
  checks: compileMeterChecks(catalog, ruleSet(NEWEST_RULE_SET)),
};

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

interface Cost {
  readonly bytes: number;
  readonly cpuMs: number;
  readonly longestPartMs: number;
  readonly heapBytes: number;
}

function admitOnce(bytes: Buffer, contentType: string): Cost {
  const form = bodyFormOf({ 'content-type': contentType });
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed;
  const work = admitBody(form, {}, bytes, context);
  let heapBytes = 0;
  let longestPartMs = 0;
  let spentMs = 0;
  for (let isDone = false; !isDone; ) {
    const startedAt = cpuMs();
    isDone = work.next().done === true;
    const partMs = cpuMs() - startedAt;
    spentMs += partMs;
    longestPartMs = Math.max(longestPartMs, partMs);
    heapBytes = Math.max(heapBytes, process.memoryUsage().heapUsed - heapBefore);
  }
  return { bytes: bytes.length, cpuMs: spentMs, longestPartMs, heapBytes };
}

/** The cheapest of the rounds: what else the machine does only adds to it. */
function costOf(body: CostlyBody, bytesWanted: number): Cost {
  const bytes = body.make(bytesWanted);
  const costs = Array.from({ length: ROUNDS }, () => admitOnce(bytes, body.contentType));
  return costs.reduce((least, cost) => (cost.cpuMs < least.cpuMs ? cost : least));
}

const nanosPerByte = ({ bytes, cpuMs: ms }: Cost): number => (ms * 1e6) / bytes;

await runAsProgram<WorstBodyInput, WorstBodyOutput>(async ({ bytes }) => ({
  work: () => {
    const honest = costOf(honestBody, bytes);
    const costs = costlyBodies.map((body) => costOf(body, bytes));
    // A body of tiny events is small, whatever it may be; a figure a byte says nothing about it.
    const large = costs.filter((cost) => cost.bytes > bytes / 2);
    return {
      bytes: ROUNDS * [honest, ...costs].reduce((sum, cost) => sum + cost.bytes, 0),
      honestNanosPerByte: nanosPerByte(honest),
      worstNanosPerByte: Math.max(...large.map(nanosPerByte)),
      longestPartMs: Math.max(...costs.map(({ longestPartMs }) => longestPartMs)),
      worstHeapBytesPerByte: Math.max(...large.map((cost) => cost.heapBytes / cost.bytes)),
    };
  },
}));
