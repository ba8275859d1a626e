// Expect: 100-continue. A client that sends it waits to be asked for its body, so that a refusal spares it the sending.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../../domain/problem.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route calls `askForBody` itself, once it knows that it wants the body. */
    readonly asksForBody?: boolean;
  }
}

/** As Node reads it. */
const CONTINUE = /(?:^|\W)100-continue(?:$|\W)/i;

/** HTTP/1.0 knows no expectations; what they say there means nothing (RFC 9110, section 10.1.1). */
const expectationOf = ({ raw }: FastifyRequest): string | undefined =>
  raw.httpVersion === '1.1' ? raw.headers.expect : undefined;

/** The 417 of an expectation that is another one. */
export function unmetExpectation(request: FastifyRequest): Problem | undefined {
  const expectation = expectationOf(request);
  if (expectation === undefined || CONTINUE.test(expectation)) return undefined;
  return new Problem('expectation_failed', 'The only expectation that this server meets is 100-continue.');
}

/** Asks a client that waits for it to send its body; nothing for any other. */
export function askForBody(request: FastifyRequest, reply: FastifyReply): void {
  if (expectationOf(request) !== undefined) reply.raw.writeContinue();
}
