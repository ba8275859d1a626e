// Requests that are served without the framework, because they are many and small: what fastify does for each costs
// more than the work. What holds always: a path is served by the framework too, and answers there what it answers here,
// byte for byte. Only what is plain comes here, and of that only what succeeds is answered here: whatever is refused is
// handed over, so that there is one place that says no.
import type { IncomingMessage, ServerResponse } from 'node:http';

/** The head says everything in the one way that nearly all clients use, and nothing that the framework would judge. */
function isPlain({ method, httpVersion, headers, rawHeaders }: IncomingMessage, trustsProxies: boolean): boolean {
  return (
    method === 'POST' &&
    httpVersion === '1.1' &&
    headers['content-type'] === 'application/json' &&
    headers['content-length'] !== undefined &&
    headers['transfer-encoding'] === undefined &&
    headers.host !== undefined &&
    headers.expect === undefined &&
    // Who asks is then somebody else than who is connected, and the framework knows whom to believe.
    !(trustsProxies && headers['x-forwarded-for'] !== undefined) &&
    // No header was sent twice.
    Object.keys(headers).length * 2 === rawHeaders.length
  );
}

/** A request, and the two ways in which it ends. */
export interface DirectExchange {
  readonly request: IncomingMessage;
  /** Answers it with JSON; false: nobody is there any more. */
  answer(status: number, json: string): boolean;
  /** The framework is to answer it; its body may have been read. */
  handOver(): void;
}

export type DirectHandler = (exchange: DirectExchange) => void;

interface DirectOptions {
  readonly trustsProxies: boolean;
  readonly requestIdOf: (request: IncomingMessage) => string;
  /** The framework's. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  /** What an answer says of its connection: 'close', or null where nothing is to be said; undefined: what Node says. */
  readonly connectionOf: (response: ServerResponse) => 'close' | null | undefined;
  /** An answer of so many bytes is about to be sent. */
  readonly answering: (bytes: number) => void;
}

class Exchange implements DirectExchange {
  readonly request: IncomingMessage;
  private readonly response: ServerResponse;
  private readonly options: DirectOptions;

  constructor(request: IncomingMessage, response: ServerResponse, options: DirectOptions) {
    this.request = request;
    this.response = response;
    this.options = options;
  }

  answer(status: number, json: string): boolean {
    const { request, response, options } = this;
    if (request.socket.destroyed) return false;
    options.answering(json.length);
    const headers: Record<string, string | number> = {
      'x-request-id': options.requestIdOf(request),
      'x-content-type-options': 'nosniff',
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(json),
    };
    const connection = options.connectionOf(response);
    if (connection === 'close') headers.connection = connection;
    else if (connection === null) response.removeHeader('connection');
    response.writeHead(status, headers);
    response.end(json);
    return true;
  }

  handOver(): void {
    this.options.handle(this.request, this.response);
  }
}

export class DirectRoutes {
  private readonly handlers = new Map<string, DirectHandler>();

  add(path: string, handler: DirectHandler): void {
    this.handlers.set(path, handler);
  }

  /** Serves what is plain directly, and hands everything else over. */
  serve(request: IncomingMessage, response: ServerResponse, options: DirectOptions): void {
    const handler = this.handlers.get(request.url!);
    if (handler !== undefined && isPlain(request, options.trustsProxies)) {
      handler(new Exchange(request, response, options));
    } else options.handle(request, response);
  }
}
