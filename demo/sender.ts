// Delivers batches over HTTP on a few kept-alive connections and checks every answer against what was expected of it. A
// 429 or 503 is retried after its Retry-After, a broken connection after a moment; nothing else is. A broken connection
// and a log that did not acknowledge leave open what has become of the events: they may be in the log a second time
// after the retry, and `resent` says how many deliveries that concerns.
import { Agent, request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import { codeOf } from './broken-event.ts';
import type { Batch, Delivery } from './mishaps.ts';

export interface SenderSettings {
  readonly url: string;
  readonly apiKey: string;
  readonly connections: number;
  /** Deliveries a second over all connections; null: as fast as they are taken. */
  readonly rateMax: number | null;
  /** A batch that is still refused after this long ends the run. */
  readonly retryForMs: number;
}

export interface SendResult {
  sent: number;
  /** 2xx'ed deliveries, and rejected ones by code. */
  acknowledged: number;
  rejectedByCode: Map<string, number>;
  /** Answers that were not the expected ones, in words; the first few. */
  surprises: string[];
  surpriseCount: number;
  /** Deliveries whose request was repeated after an answer that left their fate open. */
  resent: number;
  /** Requests answered 429 or 503. */
  deferred: number;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly retryAfterMs: number;
}

interface AnswerBody {
  readonly accepted?: number;
  readonly code?: string;
  readonly rejected?: readonly { readonly index: number; readonly code: string; readonly message?: string }[];
}

const REQUEST_TIMEOUT_MS = 30_000;
const RETRY_AFTER_DEFAULT_MS = 250;
const SURPRISES_KEPT = 5;
const GZIP_EVERY = 4;
const NDJSON_EVERY = 3;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class Sender {
  readonly result: SendResult = {
    sent: 0,
    acknowledged: 0,
    rejectedByCode: new Map(),
    surprises: [],
    surpriseCount: 0,
    resent: 0,
    deferred: 0,
  };
  private readonly settings: SenderSettings;
  private readonly agent: Agent;
  /** Batches acknowledged beyond those all below `#acknowledgedBelow`. */
  private readonly acknowledged = new Set<number>();
  private acknowledgedBelow = 0;
  private waiting: { batch: number; resolve: () => void }[] = [];

  constructor(settings: SenderSettings) {
    this.settings = settings;
    this.agent = new Agent({ keepAlive: true, maxSockets: settings.connections + 1 });
  }

  /** Resolves when every batch is answered; rejects on an answer that no retry can mend. */
  async sendAll(batches: Iterator<Batch>): Promise<void> {
    const startedAt = performance.now();
    const { connections, rateMax } = this.settings;
    let taken = 0;
    let failed = false;
    const connection = async (): Promise<void> => {
      while (!failed) {
        const next = batches.next();
        if (next.done === true) return;
        const batch = next.value;
        const dueMs = rateMax === null ? 0 : (taken / rateMax) * 1000 - (performance.now() - startedAt);
        taken += batch.deliveries.length;
        if (dueMs > 1) await pause(dueMs);
        if (batch.afterBatch !== null) await this.acknowledgementOf(batch.afterBatch);
        await this.deliver(batch.deliveries, batch.index);
        this.acknowledge(batch.index);
      }
    };
    try {
      await Promise.all(Array.from({ length: connections }, connection));
    } catch (error) {
      failed = true;
      throw error;
    }
  }

  /** One delivery by itself, beside the batches. */
  async send(delivery: Delivery): Promise<void> {
    await this.deliver([delivery], 0);
  }

  close(): void {
    this.agent.destroy();
  }

  private acknowledge(index: number): void {
    this.acknowledged.add(index);
    while (this.acknowledged.delete(this.acknowledgedBelow)) this.acknowledgedBelow++;
    const ready = this.waiting.filter(({ batch }) => batch < this.acknowledgedBelow);
    this.waiting = this.waiting.filter(({ batch }) => batch >= this.acknowledgedBelow);
    for (const { resolve } of ready) resolve();
  }

  /** Waits for all batches up to that one, which is stricter than needed and simple. */
  private acknowledgementOf(batch: number): Promise<void> {
    if (batch < this.acknowledgedBelow) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ batch, resolve }));
  }

  private async deliver(deliveries: readonly Delivery[], index: number): Promise<void> {
    const ndjson = index % NDJSON_EVERY === NDJSON_EVERY - 1;
    const text = ndjson
      ? deliveries.map(({ json }) => json).join('\n')
      : `[${deliveries.map(({ json }) => json).join(',')}]`;
    const gzip = index % GZIP_EVERY === GZIP_EVERY - 1;
    const body = gzip ? gzipSync(text, { level: 1 }) : Buffer.from(text);
    const headers = {
      'content-type': ndjson ? 'application/x-ndjson' : 'application/json',
      ...(gzip ? { 'content-encoding': 'gzip' } : {}),
    };
    const giveUpAt = performance.now() + this.settings.retryForMs;
    for (;;) {
      let refused: string;
      let waitMs = RETRY_AFTER_DEFAULT_MS;
      try {
        const answer = await this.post(body, headers);
        if (answer.status !== 429 && answer.status !== 503) {
          this.check(deliveries, answer);
          return;
        }
        this.result.deferred += 1;
        if (readAnswer(answer.body)?.code === 'log_unavailable') this.result.resent += deliveries.length;
        waitMs = answer.retryAfterMs;
        refused = `${answer.status} ${answer.body.slice(0, 300)}`;
      } catch (error) {
        if (!isConnectionError(error)) throw error;
        refused = error.message;
        this.result.resent += deliveries.length;
      }
      if (performance.now() + waitMs > giveUpAt) throw new Error(`POST /v1/events is refused for too long: ${refused}`);
      await pause(waitMs);
    }
  }

  private check(deliveries: readonly Delivery[], { status, body }: Answer): void {
    const answer = readAnswer(body);
    if (answer === null || (answer.rejected === undefined && status !== 200)) {
      throw new Error(`POST /v1/events answered ${status}: ${body.slice(0, 500)}`);
    }
    const rejected = new Map((answer.rejected ?? []).map((rejection) => [rejection.index, rejection]));
    const acceptedHere = deliveries.length - rejected.size;
    if ((answer.accepted ?? 0) !== acceptedHere)
      this.surprise(`${status}: "accepted" is ${answer.accepted}, not ${acceptedHere}`);
    const statusExpected = rejected.size === 0 ? 200 : acceptedHere > 0 ? 207 : 400;
    if (status !== statusExpected) this.surprise(`${status} where ${statusExpected} was called for`);
    this.result.sent += deliveries.length;
    this.result.acknowledged += acceptedHere;
    for (const [i, { json, brokenKind }] of deliveries.entries()) {
      const rejection = rejected.get(i);
      if (rejection !== undefined) {
        const { code } = rejection;
        this.result.rejectedByCode.set(code, (this.result.rejectedByCode.get(code) ?? 0) + 1);
      }
      const codeExpected = brokenKind === null ? undefined : codeOf(brokenKind);
      if (rejection?.code === codeExpected) continue;
      const what = `${rejection?.code ?? 'accepted'} where ${codeExpected ?? 'accepted'} was called for`;
      this.surprise(`${what}: ${json.slice(0, 200)}`);
    }
  }

  private surprise(text: string): void {
    this.result.surpriseCount += 1;
    if (this.result.surprises.length < SURPRISES_KEPT) this.result.surprises.push(text);
  }

  private post(body: Buffer, headers: Record<string, string>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        `${this.settings.url}/v1/events`,
        {
          method: 'POST',
          agent: this.agent,
          headers: { ...headers, 'content-length': body.length, authorization: `Bearer ${this.settings.apiKey}` },
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.on('error', reject);
          response.on('end', () => {
            const retryAfter = Number(response.headers['retry-after']);
            resolve({
              status: response.statusCode ?? 0,
              body: Buffer.concat(parts).toString('utf8'),
              retryAfterMs: retryAfter > 0 ? retryAfter * 1000 : RETRY_AFTER_DEFAULT_MS,
            });
          });
        },
      );
      request.setTimeout(REQUEST_TIMEOUT_MS, () => {
        request.destroy(Object.assign(new Error(`no answer within ${REQUEST_TIMEOUT_MS} ms`), { code: 'ETIMEDOUT' }));
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}

/** What a broken connection rejects with: it has a code such as ECONNRESET. */
const isConnectionError = (error: unknown): error is { message: string; code: string } =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string';

function readAnswer(body: string): AnswerBody | null {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as AnswerBody) : null;
  } catch {
    return null;
  }
}
