// node:http and nothing else: it reads the body of a request, waits as long as a gateway lets a batch wait, and gives
// the gateway's answer with the gateway's headers. What a request costs beyond this is ours. It serves until it is
// ended.
import { randomUUID } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runAsProgram } from './program.ts';

export interface BareHttpInput {
  readonly lingerMs: number;
}

const BODY = '{"accepted":1,"rejected":[]}';

function answer(response: ServerResponse): void {
  response.writeHead(200, {
    'x-request-id': randomUUID(),
    'x-content-type-options': 'nosniff',
    'content-type': 'application/json',
    'content-length': BODY.length,
  });
  response.end(BODY);
}

await runAsProgram<BareHttpInput, never>(async ({ lingerMs }) => {
  let waiting: ServerResponse[] = [];
  const server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
    request.resume().once('end', () => {
      if (waiting.length === 0) {
        setTimeout(() => {
          const answered = waiting;
          waiting = [];
          for (const each of answered) answer(each);
        }, lingerMs);
      }
      waiting.push(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { info: `http://127.0.0.1:${port}`, work: () => new Promise<never>(() => {}) };
});
