// Gateways are replaced one by one while clients send. The clients are as simple as clients come: connections that are
// kept alive, and each request is sent once. None of them sees an error.
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { projectFile } from '../../platform/process/project-root.ts';
import { type StageProcesses, startStores } from '../support/processes/stage-processes.ts';
import { until } from '../support/until.ts';

const CLIENTS = 48;
/** Less than the grace: a client that pauses for longer may meet the moment in which its connection is closed. */
const PAUSE_MAX_MS = 200;

let processes: StageProcesses;
let key: string;
beforeAll(async () => {
  processes = await startStores({ TALLYLINE_DRAIN_GRACE: '1500ms' }, { withDocker: false });
  await processes.tallyline('migrate');
  await processes.tallyline('catalog', 'apply', projectFile('deploy/catalogs/ai-api.yaml'));
  key = await processes.tallyline('keys', 'create', '--tenant', 'acme');
}, 300_000);

afterAll(() => processes?.stop());

type Gateway = StageProcesses['running'][number];

/** Sends new connections to gateways that are ready, as a load balancer does that asks them every 50 ms. */
class Balancer {
  private gateways: { readonly gateway: Gateway; readonly agent: Agent; isReady: boolean }[] = [];
  private readonly ended = new AbortController();
  private next = 0;
  readonly watching = this.watch();

  add(gateway: Gateway): void {
    this.gateways.push({ gateway, agent: new Agent({ keepAlive: true }), isReady: false });
  }

  get ready(): readonly Gateway[] {
    return this.gateways.filter(({ isReady }) => isReady).map(({ gateway }) => gateway);
  }

  /** In turn. */
  choose(): { readonly url: string; readonly agent: Agent } {
    const ready = this.gateways.filter(({ isReady }) => isReady);
    const { gateway, agent } = ready[this.next++ % ready.length]!;
    return { url: gateway.url, agent };
  }

  async stop(): Promise<void> {
    this.ended.abort();
    await this.watching;
    for (const { agent } of this.gateways) agent.destroy();
  }

  private async watch(): Promise<void> {
    while (!this.ended.signal.aborted) {
      for (const each of this.gateways) {
        each.isReady = await fetch(`${each.gateway.url}/readyz`).then(
          ({ status }) => status === 200,
          () => false,
        );
      }
      await delay(50);
    }
  }
}

/** Resolves to the status; rejects where the connection ends before the answer. */
function post(url: string, agent: Agent, id: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ id, type: 'ping', subject: 'cus_1' });
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const sent = request(`${url}/v1/events`, { method: 'POST', agent, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode!));
      response.on('error', reject);
    });
    sent.on('error', reject).end(body);
  });
}

describe('gateways that are replaced under load', () => {
  it('answer every request of clients that send it once', async () => {
    const balancer = new Balancer();
    for (let i = 0; i < 2; i++) balancer.add(await processes.start('ingest'));
    await until(() => balancer.ready.length === 2, 'both gateways are ready', 30_000);

    let isOver = false;
    let answered = 0;
    const failures: string[] = [];
    const clients = Array.from({ length: CLIENTS }, async (_, client) => {
      for (let n = 0; !isOver; n++) {
        const { url, agent } = balancer.choose();
        await post(url, agent, `c${client}-${n}`).then(
          (status) => (status === 200 ? answered++ : failures.push(`${status}`)),
          (error: Error) => failures.push(error.message),
        );
        // A third of them never pause.
        if (client % 3 > 0) await delay(Math.random() * PAUSE_MAX_MS);
      }
    });
    await until(() => answered > 20 * CLIENTS, 'every client sends', 30_000);

    for (let replaced = 0; replaced < 2; replaced++) {
      const [old] = balancer.ready;
      balancer.add(await processes.start('ingest'));
      await until(() => balancer.ready.length === 3, 'the new one is ready', 30_000);
      const before = answered;
      old!.child.kill('SIGTERM');
      expect(await old!.ended).toBe(0);
      expect(answered).toBeGreaterThan(before);
      expect(balancer.ready).not.toContain(old);
    }
    isOver = true;
    await Promise.all(clients);
    await balancer.stop();
    expect(failures).toEqual([]);
  }, 180_000);
});
