// The gateway: batches of 100 events, and one event a request; with Kafka behind it (acks=all), and with an append that
// is acknowledged at once.
import type { Bench, CpuByStage, Measurement, RunContext } from '../bench.ts';
import type { BareHttpInput } from '../programs/bare-http.ts';
import type { HttpLoadInput, HttpLoadOutput } from '../programs/http-load.ts';
import { BenchProgram, runProgram } from '../stand/bench-program.ts';
import type { Installation } from '../stand/installation.ts';
import type { WayToSend } from '../workload/request-body.ts';
import { manySubjects } from '../workload/usage-stream.ts';

const STAGE = 'gateway';

interface Shape {
  readonly eventsPerRequest: number;
  readonly connections: number;
  readonly way?: WayToSend;
}

const batches: Shape = { eventsPerRequest: 100, connections: 32 };
/** Many, for a request waits for the rest of its batch: with few the gateway would be idle most of the time. */
const singles: Shape = { eventsPerRequest: 1, connections: 512 };

/** First as much as is taken, for throughput and CPU time; then half of that, for the time a request takes. */
async function measureGateway(
  { stand, events, isSmoke }: RunContext,
  installation: Installation,
  url: string,
  { eventsPerRequest, connections, way }: Shape,
): Promise<Measurement> {
  const requests = Math.max(connections, Math.round(events / eventsPerRequest));
  const load: HttpLoadInput = {
    ...{ url, apiKey: installation.apiKey, connections, eventsPerRequest, requests, requestsPerSecond: 0 },
    ...(way !== undefined && { way }),
    workload: { ...manySubjects, stream: 1 },
    warmUpRequests: isSmoke ? connections : Math.round(requests / 5),
  };
  const { program } = await BenchProgram.start<HttpLoadOutput>('http-load', load);
  const stop = stand.times.start();
  const { output, seconds, cpuMicros: loadMicros } = await program.run();
  const cpuMicros: CpuByStage = { ...stop(), load: loadMicros };
  await program.end();

  const half = await runProgram<HttpLoadOutput>('http-load', {
    ...load,
    requests: Math.max(connections, Math.round(requests / 2)),
    requestsPerSecond: output.requests / seconds / 2,
    workload: { ...manySubjects, stream: 2 },
  } satisfies HttpLoadInput);
  const gatewayMicros = cpuMicros[STAGE]!;
  return {
    events: output.events,
    seconds,
    cpuMicros,
    counted: [STAGE],
    details: {
      requestsPerSecond: output.requests / seconds,
      requestsPerSecondACore: (output.requests * 1e6) / gatewayMicros,
      fullLoadP99Ms: output.p99Ms,
      halfLoadP50Ms: half.output.p50Ms,
      halfLoadP99Ms: half.output.p99Ms,
      refusedRequests: output.refused,
    },
  };
}

const onKafka =
  (shape: Shape) =>
  (context: RunContext): Promise<Measurement> =>
    context.stand.withInstallation({ log: 'kafka' }, async (installation) => {
      const url = await installation.startStage('ingest', STAGE);
      return measureGateway(context, installation, url, shape);
    });

/** In place of the gateway: `gateway-stub`, or `bare-http`, which knows nothing of events. */
type Stub = (installation: Installation) => readonly [program: string, input: unknown];
const gatewayStub: Stub = ({ environment }) => ['gateway-stub', { environment }];
const bareHttp: Stub = () => ['bare-http', { lingerMs: 5 } satisfies BareHttpInput];

const onStub =
  (shape: Shape, stub = gatewayStub) =>
  (context: RunContext): Promise<Measurement> =>
    context.stand.withInstallation({ log: 'postgres' }, async (installation) => {
      const { program, info } = await BenchProgram.start<never>(...stub(installation));
      context.stand.times.add(program.pid, STAGE);
      try {
        return await measureGateway(context, installation, info as string, shape);
      } finally {
        context.stand.times.remove(program.pid);
        await program.kill();
      }
    });

export const gateway: Bench = {
  name: 'gateway',
  unit: 'events',
  about: 'HTTP batches of 100 events: auth, validation, dedup keys, Avro, append; with Kafka and with a stub of it',
  events: { full: 1_000_000, smoke: 10_000 },
  needsKafka: true,
  variants: [
    { name: 'append stubbed', measure: onStub(batches) },
    { name: 'kafka', measure: onKafka(batches) },
  ],
};

const ways: readonly WayToSend[] = ['json', 'ndjson', 'cloudevents batch', 'cloudevents as json'];

export const gatewayForms: Bench = {
  name: 'gateway-forms',
  unit: 'events',
  about: 'batches of 100 of the same events in each form that a body may have, with an append that is stubbed',
  events: { full: 500_000, smoke: 5_000 },
  variants: ways.map((way) => ({ name: way, measure: onStub({ ...batches, way }) })),
};

export const gatewaySingle: Bench = {
  name: 'gateway-single',
  unit: 'events',
  about: 'the same with one event a request, on kept-alive connections; and what node:http costs of it by itself',
  events: { full: 200_000, smoke: 2_000 },
  needsKafka: true,
  variants: [
    { name: 'node:http alone', measure: onStub(singles, bareHttp) },
    { name: 'append stubbed', measure: onStub(singles) },
    { name: 'kafka', measure: onKafka(singles) },
  ],
};
