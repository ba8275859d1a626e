// The HTTP server of a stage that has no API of its own: /healthz, /readyz, /metrics.
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { registerAdminRoutes } from './http/admin-routes.ts';
import { createHttpApp } from './http/app.ts';
import type { Stage } from './process/stage.ts';
import type { Settings } from './settings/settings.ts';

export interface HttpServer {
  /** http://HOST:PORT as it is bound. */
  readonly url: string;
  /** Has clients go elsewhere: /readyz says no, and each answer is its connection's last one. */
  leave(): void;
  /** Resolves once everything that was read is answered, and every connection has ended. */
  close(): Promise<void>;
}

/** Binds the app where the settings say. Rejects in words when it can't. */
export async function listen(
  app: ReturnType<typeof createHttpApp>,
  { host, port }: Pick<Settings['http'], 'host' | 'port'>,
): Promise<HttpServer> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw new Error(listenFault(error as NodeJS.ErrnoException, host, port), { cause: error });
  }
  const address = app.server.address() as AddressInfo;
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return {
    url: `http://${shown}:${address.port}`,
    leave: () => app.leave(),
    close: async () => void (await app.close()),
  };
}

/** Why an address can't be listened on, and what to do. */
export function listenFault(error: NodeJS.ErrnoException, host: string, port: number): string {
  if (error.code === 'EADDRINUSE')
    return `port ${port} on ${host} is in use: end what listens there, or choose another port (PORT or --port)`;
  if (error.code === 'EACCES')
    return `port ${port} on ${host} is not allowed to this user: choose one above 1023 (PORT or --port)`;
  return `cannot listen on ${host}:${port}: ${error.message}`;
}

export async function startAdminServer(
  http: Settings['http'],
  registry: Registry,
  logger: Logger,
  stages: () => readonly Stage[],
): Promise<HttpServer> {
  const app = createHttpApp(logger, { connections: http, registry });
  registerAdminRoutes(app, registry, stages);
  return listen(app, http);
}
