// Starts a gateway in a process with a bounded heap, sends it bodies, and asks it what they cost.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { projectFile } from '../../platform/process/project-root.ts';
import type { Measures } from './gateway-process.ts';

interface Sent {
  readonly status: number;
  readonly body: {
    readonly code?: string;
    readonly accepted?: number;
    readonly rejected?: readonly { readonly index: number; readonly code: string }[];
  };
}

export interface MeasuredGateway {
  /** POST /v1/events. Throws where the connection ends without an answer. */
  send(body: Buffer, headers?: Readonly<Record<string, string>>): Promise<Sent>;
  /** Since the last call. */
  measures(): Promise<Measures>;
  readonly isAlive: boolean;
  stop(): Promise<void>;
}

export async function startMeasuredGateway(heapMB: number): Promise<MeasuredGateway> {
  const child = fork(projectFile('test/hostile/gateway-process.ts'), {
    execArgv: ['--import', projectFile('scripts/typescript.mjs'), `--max-old-space-size=${heapMB}`],
  });
  const [port] = (await once(child, 'message')) as [number];
  return {
    send: (body, headers = {}) =>
      new Promise((resolve, reject) => {
        const call = request(
          {
            ...{ host: '127.0.0.1', port, method: 'POST', path: '/v1/events', agent: false },
            headers: { authorization: 'Bearer key-acme', 'content-type': 'application/json', ...headers },
          },
          async (response) => {
            const chunks = await response.toArray();
            resolve({
              status: response.statusCode!,
              body: JSON.parse(Buffer.concat(chunks).toString()) as Sent['body'],
            });
          },
        );
        call.on('error', reject);
        call.end(body);
      }),
    measures: async () => {
      child.send('measures');
      return ((await once(child, 'message')) as [Measures])[0];
    },
    get isAlive() {
      return child.exitCode === null && child.signalCode === null;
    },
    stop: async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}
