// A client that sends the bytes it is given, at its own pace, and reads or does not.
import { connect, type Socket } from 'node:net';

export interface RawClient {
  readonly socket: Socket;
  /** Everything it received so far. */
  text(): string;
  isClosed(): boolean;
  /** The error of its socket, such as ECONNRESET. */
  error(): string | null;
}

export function openRaw(port: number, { reads = true } = {}): RawClient {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let text = '';
  let isClosed = false;
  let error: string | null = null;
  if (reads) socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  else socket.pause();
  // Silence on our side until the server ends the whole connection.
  socket.on('end', () => {});
  socket.on('error', (fault: NodeJS.ErrnoException) => (error = fault.code ?? fault.message));
  socket.on('close', () => (isClosed = true));
  return { socket, text: () => text, isClosed: () => isClosed, error: () => error };
}

/** The head of a POST with events, for the key of a tenant. */
export const postHead = (tenant: string, ...headers: readonly string[]): string =>
  [
    'POST /v1/events HTTP/1.1',
    'Host: x',
    `Authorization: Bearer key-${tenant}`,
    'Content-Type: application/json',
    ...headers,
    '\r\n',
  ].join('\r\n');
