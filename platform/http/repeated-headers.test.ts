import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { repeatedHeader } from './repeated-headers.ts';

/** As Node would give them to a handler. */
function repeatedOf(...rawHeaders: readonly string[]): string | null {
  const message = new IncomingMessage(null as unknown as Socket);
  message.rawHeaders = [...rawHeaders];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    (message as unknown as { _addHeaderLine(name: string, value: string, into: object): void })._addHeaderLine(
      rawHeaders[i]!,
      rawHeaders[i + 1]!,
      message.headers,
    );
  }
  return repeatedHeader(message.headers, message.rawHeaders);
}

describe('repeatedHeader', () => {
  it.each(['Host', 'Authorization', 'Content-Type', 'Content-Encoding', 'X-Request-Id', 'ce-id', 'CE-Extension'])(
    'names %s, in whatever case',
    (name) => {
      expect(repeatedOf('Accept', '*/*', name, 'a', name.toUpperCase(), 'b')).toBe(name.toLowerCase());
    },
  );

  it('lets lists come in several lines', () => {
    expect(
      repeatedOf('Host', 'x', 'Accept', 'a', 'accept', 'b', 'X-Forwarded-For', '1', 'X-Forwarded-For', '2'),
    ).toBeNull();
    expect(repeatedOf('Set-Cookie', 'a', 'Set-Cookie', 'b', 'Cookie', 'c', 'Cookie', 'd')).toBeNull();
  });

  it('is not misled by the name of a prototype', () => {
    expect(repeatedOf('__proto__', 'x', 'Host', 'x', 'host', 'y')).toBe('host');
    expect(repeatedOf('__proto__', 'x', 'Host', 'x', 'constructor', 'y')).toBeNull();
  });
});
