// Reads the body of a request into one buffer, decompressed. What holds always: neither a body, nor what it unpacks to,
// nor all bodies being read at once grow past their bounds; the reading stops at the chunk that would pass one, and
// when the body comes too slowly.
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import { Problem, retryAfter } from '../../domain/problem.ts';
import { ArrivingBody, type BodyArrivals } from './body-arrivals.ts';
import type { BodyLease, BudgetFault } from './body-budget.ts';

// The rest of a body that is not read would have to be read all the same before the connection can be used again.
const CLOSE = { connection: 'close' };

const tooLarge = (bytesMax: number, what: string): Problem =>
  new Problem('body_too_large', `The body ${what} larger than ${bytesMax} bytes. Send fewer events a request.`, {
    headers: CLOSE,
  });

const unaffordable = (fault: BudgetFault): Problem =>
  fault === 'full'
    ? new Problem('overloaded', 'Nothing was accepted: too many large requests at once. Send the request again.', {
        headers: { ...CLOSE, ...retryAfter(1) },
      })
    : new Problem(
        'share_exceeded',
        'Nothing was accepted: requests with this API key, or with others of its tenant, already hold their part of the memory ' +
          'for bodies. Send fewer at once.',
        { headers: { ...CLOSE, ...retryAfter(1) } },
      );

/**
 * Everything a stream gives, up to the bound. `onFault` says what an error of the stream means; with `arrivals` it must
 * come at the least pace.
 */
function collect(
  stream: Readable,
  bytesMax: number,
  lease: BodyLease,
  what: string,
  onFault: (error: Error | null) => Problem,
  arrivals?: BodyArrivals,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const end = (problem: Problem | null): void => {
      arrivals?.end(body);
      stream.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
      if (problem === null) {
        resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, body.bytes));
        return;
      }
      // A stream without an error listener brings the process down with a late error.
      stream.on('error', () => {});
      stream.pause();
      reject(problem);
    };
    const body = new ArrivingBody(end);
    const onData = (chunk: Buffer): void => {
      body.bytes += chunk.length;
      if (body.bytes > bytesMax) {
        end(tooLarge(bytesMax, what));
        return;
      }
      const fault = lease.take(chunk.length);
      if (fault === null) chunks.push(chunk);
      else end(unaffordable(fault));
    };
    const onEnd = (): void => end(null);
    const onError = (error: Error): void => end(onFault(error));
    const onClose = (): void => end(onFault(null));
    arrivals?.begin(body);
    stream.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  });
}

const notWhole = (): Problem =>
  new Problem('malformed_body', 'The connection ended before the body was whole. Nothing was accepted.', {
    headers: CLOSE,
  });

function decompressorOf(encoding: string, body: Buffer) {
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'br':
      return createBrotliDecompress();
    default:
      // "deflate" means the zlib format (RFC 9110, 8.4.1.2), but some clients send raw deflate.
      return (body[0]! & 0x0f) === 8 ? createInflate() : createInflateRaw();
  }
}

// How many times its size a body may unpack to. 10,000 events that differ in their ids alone, printed over lines,
// unpack to 154 times as much from gzip and 763 times from Brotli (docs/inside/bad-input.md); what is packed to be
// costly to 1,030 and 60,000 times.
const EXPANSION_MAX = 600;
const BROTLI_EXPANSION_MAX = 3_000;
/** What unpacks to no more costs little, however small it was. */
const EXPANSION_FREE_BYTES = 1_000_000;

const overExpanded = (expansionMax: number): Problem =>
  new Problem('body_too_large', `The body unpacks to more than ${expansionMax} times its size. Send it less packed.`);

async function decompress(encoding: string, body: Buffer, bytesMax: number, lease: BodyLease): Promise<Buffer> {
  if (body.length === 0) return body;
  const decompressor = decompressorOf(encoding, body);
  const expansionMax = encoding === 'br' ? BROTLI_EXPANSION_MAX : EXPANSION_MAX;
  const unpackedMax = Math.max(EXPANSION_FREE_BYTES, expansionMax * body.length);
  let unpacked = 0;
  decompressor.on('data', (chunk: Buffer) => {
    unpacked += chunk.length;
    if (unpacked > unpackedMax) decompressor.destroy(overExpanded(expansionMax));
  });
  const whole = collect(decompressor, bytesMax, lease, 'unpacks to something', (error) =>
    error instanceof Problem
      ? error
      : new Problem(
          'malformed_body',
          `The body can't be unpacked as ${encoding}: ${error?.message ?? 'it ends early'}.`,
        ),
  );
  decompressor.end(body);
  try {
    return await whole;
  } finally {
    decompressor.destroy();
  }
}

const ENCODINGS = new Set(['gzip', 'x-gzip', 'deflate', 'br']);

/** The content encoding in lower case, "" for none. Throws the 415 of one that is not taken, before a byte is read. */
export function contentEncodingOf(headers: IncomingMessage['headers']): string {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return '';
  if (ENCODINGS.has(encoding)) return encoding;
  throw new Problem('unsupported_encoding', 'The Content-Encoding must be gzip, deflate, br or none.', {
    headers: { ...CLOSE, 'accept-encoding': 'gzip, deflate, br' },
  });
}

/** Throws the 413 of a body that says itself that it is too large. */
export function refuseByLength(headers: IncomingMessage['headers'], bytesMax: number): void {
  if (Number(headers['content-length'] ?? 0) > bytesMax) throw tooLarge(bytesMax, 'is');
}

/**
 * A body that came together with its head, as that of a small request does; null: it is to be waited for. It is whole
 * when it has as many bytes as the head says.
 */
function bodyAtHand(stream: Readable, length: number, bytesMax: number, lease: BodyLease): Buffer | null {
  if (length === 0 || stream.readableLength !== length || length > bytesMax) return null;
  const fault = lease.take(length);
  if (fault !== null) throw unaffordable(fault);
  return stream.read() as Buffer;
}

/**
 * `length`: what the head says of it; NaN where it says nothing. Throws an `Problem` for a body that is too large, too
 * slow, cut short or not what its encoding says.
 */
export async function readBody(
  stream: Readable,
  length: number,
  encoding: string,
  bytesMax: number,
  lease: BodyLease,
  arrivals: BodyArrivals,
): Promise<Buffer> {
  const body =
    bodyAtHand(stream, length, bytesMax, lease) ?? (await collect(stream, bytesMax, lease, 'is', notWhole, arrivals));
  return encoding === '' ? body : decompress(encoding, body, bytesMax, lease);
}
