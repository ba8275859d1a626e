// The connections of an HTTP server, and what each of them may cost. What holds always:
//
//   - There are at most `connectionsMax` of them, and at most `perAddressMax` from one address that is no trusted
//     proxy. At the bound a new one takes the place of the oldest that never sent a request, else of one that is idle;
//     else it comes into a small reserve above the bound, in which only probes are answered well, and whose oldest
//     makes room for its newest.
//   - A connection with more than PIPELINED_MAX requests without an answer is destroyed; Node itself parses no further
//     bytes of one whose answers wait for their taking. Answers that are not taken at the least pace destroy it too,
//     and all that are not taken are bounded together (unread-answers.ts).
//   - A server that closes answers what was read. A connection ends with its next answer, or once it was quiet for a
//     while: a request may have been on its way. None is left after a bounded time but those with a request.
//   - Whatever is refused is read on and dropped for a bounded number of bytes and time, so that the client sees the
//     answer instead of a reset; then the socket is destroyed, whatever the client does.
//
// One look at all connections every half a second does what takes time; a request costs one entry in a list.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { AddressCounts } from './address-counts.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import { leastPaceMs, PATIENCE_MS, patienceAfter } from './least-pace.ts';
import { beyondMemory, UNREAD_BYTES_MAX, UNREAD_LOOK_BYTES } from './unread-answers.ts';

export const LOOK_INTERVAL_MS = 500;
/** A longer time between two looks is this process's own delay, and no peer's fault. */
const LOOK_ELAPSED_MAX_MS = 4 * LOOK_INTERVAL_MS;
/**
 * As many as benchmark tools pipeline; ordinary clients do not at all. Each costs 2.3 kB, and Node parses up to 64 kB
 * of them at once.
 */
export const PIPELINED_MAX = 16;
/** Connections above the bound, for probes. */
const RESERVE_MAX = 16;
const RESERVE_HEAD_TIMEOUT_MS = 2_000;
/**
 * What is left of a refused request is dropped up to about this, as looks tell: a whole body of the default limit, and
 * some.
 */
const DROPPED_BYTES_MAX = 16_000_000;
const LINGER_MAX_MS = 30_000;
/** Silence ends the lingering after this. */
const LINGER_SILENCE_MS = 1_000;
/** The whole lingering where the request was no HTTP or too slow, and every lingering once the server closes. */
const SHORT_LINGER_MS = 2_000;
/** Whoever reads a body has to give it up itself after the patience; this is for bodies that nobody watches. */
const BODY_PATIENCE_MS = 2 * PATIENCE_MS;
/** While the server closes: of a body that nobody watches, and of a connection without a request. */
const CLOSING_PATIENCE_MS = 2 * SHORT_LINGER_MS;
/** So long nothing came on a connection that is idle when the server closes. Less than the time between two looks. */
const QUIET_MS = 400;

/** Why a connection was ended that its client or its last answer did not end. */
export type EndReason =
  /** It never sent a request, or was idle, and a new one needed its place. */
  | 'displaced'
  /** It came above the bound and was no probe. */
  | 'over_limit'
  | 'late_head'
  | 'slow_body'
  | 'pipelined'
  | 'unread_answer'
  /** All answers that nobody took were too much, and those to its address most of it. */
  | 'unread_memory';

class Connection {
  readonly socket: Socket;
  /** Null: of a trusted proxy, or in the reserve. */
  readonly address: string | null;
  readonly isReserve: boolean;
  readonly openedAt: number;
  /** Of the look before the latest request. */
  activeAt: number;
  /** Requests whose answers are not all with the kernel, and perhaps one whose answer is. In order. */
  answers: ServerResponse[] = [];
  hasRequested = false;
  /** Nothing is answered on it any more; what comes is dropped. */
  isLingering = false;
  lingerUntil = 0;
  patienceMs = BODY_PATIENCE_MS;
  bytesReadSeen = 0;
  bytesDropped = 0;
  bytesTaken = -1;
  takenAt = 0;
  /** Since when nothing comes on it, once the server closes. */
  quietSince = Number.POSITIVE_INFINITY;

  constructor(socket: Socket, address: string | null, isReserve: boolean, now: number) {
    this.socket = socket;
    this.address = address;
    this.isReserve = isReserve;
    this.openedAt = now;
    this.activeAt = now;
  }

  get latest(): ServerResponse | undefined {
    return this.answers[this.answers.length - 1];
  }

  get isIdle(): boolean {
    return !this.isLingering && this.latest?.writableFinished !== false;
  }

  /** Bytes of answers that the kernel has not taken. */
  get unreadBytes(): number {
    let bytes = this.socket.writableLength;
    // One answer at a time is the socket's; those behind it keep their own bytes until it is gone.
    for (const answer of this.answers) if (answer.socket === null) bytes += answer.writableLength;
    return bytes;
  }

  /** Whether a request of it is still arriving. */
  get isArriving(): boolean {
    return this.latest !== undefined && !this.latest.req.complete;
  }
}

export interface ConnectionsOptions {
  /** Milliseconds from anywhere; never steps. */
  readonly monotonicMs: () => number;
  readonly onEnd?: (reason: EndReason) => void;
  /** Ends a request that still arrives with an answer that its handler has not given. */
  readonly answerTooSlow: (socket: Socket) => void;
}

export class Connections {
  private readonly limits: ConnectionLimits;
  private readonly options: ConnectionsOptions;
  private readonly bySocket = new WeakMap<Socket, Connection>();
  private readonly all = new Set<Connection>();
  /** Those of `all` that never sent a request; the oldest first. */
  private readonly silent = new Set<Connection>();
  private readonly reserve = new Set<Connection>();
  private readonly perAddress = new AddressCounts();
  /**
   * Idle and lingering ones as the latest scan found them, the longest idle last; scanned at most once between two
   * looks.
   */
  private idle: Connection[] = [];
  private isScanned = false;
  private lookedAt: number;
  private bytesSinceLook = 0;
  /** When connections without a request end at the latest. */
  private closingUntil = Number.POSITIVE_INFINITY;

  constructor(limits: ConnectionLimits, options: ConnectionsOptions) {
    this.limits = limits;
    this.options = options;
    this.lookedAt = options.monotonicMs();
  }

  /** Bytes of answers that wait for their clients. */
  get unreadBytes(): number {
    let bytes = 0;
    for (const each of this.all) bytes += each.unreadBytes;
    return bytes;
  }

  get counts(): { readonly silent: number; readonly requested: number; readonly reserve: number } {
    return { silent: this.silent.size, requested: this.all.size - this.silent.size, reserve: this.reserve.size };
  }

  open(socket: Socket): void {
    const address = this.limits.isTrustedProxy(socket.remoteAddress) ? null : this.perAddress.groupOf(socket);
    const isReserve = !this.makeRoom(address);
    const connection = new Connection(socket, isReserve ? null : address, isReserve, this.lookedAt);
    this.bySocket.set(socket, connection);
    if (isReserve) {
      if (this.reserve.size >= RESERVE_MAX) this.destroy(first(this.reserve)!, 'over_limit');
      this.reserve.add(connection);
    } else {
      this.all.add(connection);
      this.silent.add(connection);
      if (address !== null) this.perAddress.add(address);
    }
    socket.once('close', () => this.forget(connection));
    const destroySoon = socket.destroySoon.bind(socket);
    // Node calls this after an answer that is the connection's last one. With unread bytes in the kernel it would be a
    // reset.
    socket.destroySoon = () => {
      if (connection.isArriving) this.linger(connection, this.isClosing ? SHORT_LINGER_MS : LINGER_MAX_MS);
      else destroySoon();
    };
  }

  /** Whether the server is to handle this request. */
  admit(request: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.bySocket.get(request.socket);
    if (connection === undefined) return true;
    if (connection.isLingering || connection.socket.destroyed) return false;
    if (!connection.hasRequested) {
      connection.hasRequested = true;
      this.silent.delete(connection);
    }
    connection.activeAt = this.lookedAt;
    connection.patienceMs = BODY_PATIENCE_MS;
    const { answers } = connection;
    while (answers.length > 0 && answers[0]!.writableFinished) answers.shift();
    answers.push(response);
    if (answers.length <= PIPELINED_MAX) return true;
    this.destroy(connection, 'pipelined');
    return false;
  }

  /** Whether it stands above the bound, where only probes are answered. */
  isOverLimit(socket: Socket): boolean {
    return this.reserve.size > 0 && this.bySocket.get(socket)?.isReserve === true;
  }

  /** The answer that was begun last. */
  latestAnswer(socket: Socket): ServerResponse | undefined {
    return this.bySocket.get(socket)?.latest;
  }

  /** Whether what it still sends is dropped. */
  isLingering(socket: Socket): boolean {
    return this.bySocket.get(socket)?.isLingering === true;
  }

  /** An answer of so many bytes is about to be sent. */
  answering(bytes: number): void {
    this.bytesSinceLook += bytes;
    if (this.bytesSinceLook >= UNREAD_LOOK_BYTES) this.boundUnread(this.options.monotonicMs());
  }

  /** Ends the connection with bytes of an answer that no handler gives. Null: with none. */
  endWith(socket: Socket, answer: string | null, reason?: EndReason): void {
    const connection = this.bySocket.get(socket);
    if (reason !== undefined) this.options.onEnd?.(reason);
    if (answer === null || connection === undefined || !socket.writable) {
      socket.destroy();
      return;
    }
    socket.write(answer);
    this.linger(connection, SHORT_LINGER_MS);
  }

  /** From now on connections end as soon as nothing is under way on them, or on its way to them. */
  close(): void {
    const now = this.options.monotonicMs();
    this.closingUntil = now + CLOSING_PATIENCE_MS;
    for (const each of this.all) each.lingerUntil = Math.min(each.lingerUntil, now + SHORT_LINGER_MS);
    this.look();
  }

  private get isClosing(): boolean {
    return this.closingUntil !== Number.POSITIVE_INFINITY;
  }

  /** What takes time; to be called every `LOOK_INTERVAL_MS`. */
  look(): void {
    const now = this.options.monotonicMs();
    const elapsedMs = Math.min(now - this.lookedAt, LOOK_ELAPSED_MAX_MS);
    this.lookedAt = now;
    this.isScanned = false;
    this.boundUnread(now);
    for (const connection of this.all) this.lookAt(connection, now, elapsedMs);
    for (const connection of this.reserve) {
      const isLate = !connection.hasRequested && now - connection.openedAt >= RESERVE_HEAD_TIMEOUT_MS;
      if (isLate) this.destroy(connection, 'over_limit');
      else this.lookAt(connection, now, elapsedMs);
    }
  }

  private boundUnread(now: number): void {
    this.bytesSinceLook = 0;
    const unread = [];
    for (const connection of this.all) {
      const bytes = connection.unreadBytes;
      if (bytes === 0) continue;
      noteTaken(connection, now);
      // Of proxies each is an address of its own.
      const address = connection.address ?? connection.socket.remoteAddress ?? '';
      unread.push({ connection, address, bytes, takenAt: connection.takenAt });
    }
    for (const { connection } of beyondMemory(unread, UNREAD_BYTES_MAX)) this.destroy(connection, 'unread_memory');
  }

  private lookAt(connection: Connection, now: number, elapsedMs: number): void {
    const { socket } = connection;
    if (connection.isLingering) this.lookAtLingering(connection, now, elapsedMs);
    else if (socket.writableLength > 0) this.lookAtUnread(connection, now);
    else if (connection.isArriving) this.lookAtArriving(connection, elapsedMs);
    else if (connection.isIdle) {
      // The answer is gone, and need not be held for as long as the connection is kept.
      connection.answers = [];
      if (this.isClosing) this.lookAtQuiet(connection, now);
    }
  }

  private lookAtQuiet(connection: Connection, now: number): void {
    const isFirst = connection.quietSince === Number.POSITIVE_INFINITY;
    if (bytesRead(connection) > 0 || isFirst) connection.quietSince = now;
    if (now - connection.quietSince >= QUIET_MS || now >= this.closingUntil) connection.socket.destroy();
  }

  private lookAtArriving(connection: Connection, elapsedMs: number): void {
    const patienceMs = this.isClosing ? CLOSING_PATIENCE_MS : BODY_PATIENCE_MS;
    const bytes = bytesRead(connection);
    connection.patienceMs = patienceAfter(connection.patienceMs, elapsedMs, bytes, patienceMs);
    if (connection.patienceMs <= 0) this.options.answerTooSlow(connection.socket);
  }

  private lookAtLingering(connection: Connection, now: number, elapsedMs: number): void {
    const bytes = bytesRead(connection);
    connection.bytesDropped += bytes;
    connection.patienceMs = patienceAfter(connection.patienceMs, elapsedMs, bytes, LINGER_SILENCE_MS);
    const isOver = connection.patienceMs <= 0 || now >= connection.lingerUntil;
    if (isOver || connection.bytesDropped > DROPPED_BYTES_MAX) connection.socket.destroy();
  }

  /** Bytes are given to the kernel an answer at a time, so a large one must be taken as a whole at the least pace. */
  private lookAtUnread(connection: Connection, now: number): void {
    noteTaken(connection, now);
    const unsentMs = leastPaceMs(connection.socket.writableLength);
    const patienceMs = this.isClosing ? LINGER_SILENCE_MS : PATIENCE_MS + unsentMs;
    if (now - connection.takenAt >= patienceMs) this.destroy(connection, 'unread_answer');
  }

  /** Ends our side, and drops what the other one still sends; `look` destroys what is left. */
  private linger(connection: Connection, lingerMs: number): void {
    if (connection.isLingering) return;
    const { latest, socket } = connection;
    connection.isLingering = true;
    connection.lingerUntil = this.options.monotonicMs() + lingerMs;
    connection.patienceMs = LINGER_SILENCE_MS;
    connection.bytesReadSeen = socket.bytesRead;
    socket.end();
    if (connection.isArriving) latest!.req.on('end', () => socket.destroySoon()).resume();
    socket.resume();
  }

  private makeRoom(address: string | null): boolean {
    if (address !== null && this.perAddress.of(address) >= this.limits.perAddressMax) return this.displace(address);
    return this.all.size < this.limits.connectionsMax || this.displace(null);
  }

  /** Whether a place was made, among those of one address or among all. */
  private displace(address: string | null): boolean {
    const connection = this.oldestSilent(address) ?? this.longestIdle(address);
    if (connection !== undefined) this.destroy(connection, 'displaced');
    return connection !== undefined;
  }

  private oldestSilent(address: string | null): Connection | undefined {
    for (const each of this.silent) if (address === null || each.address === address) return each;
    return undefined;
  }

  private longestIdle(address: string | null): Connection | undefined {
    const isDisplaceable = (each: Connection): boolean =>
      (each.isIdle || each.isLingering) && each.activeAt < this.lookedAt && this.all.has(each);
    if (!this.isScanned) {
      this.isScanned = true;
      this.idle = [...this.all].filter(isDisplaceable).sort((a, b) => b.activeAt - a.activeAt);
    }
    for (let i = this.idle.length - 1; i >= 0; i--) {
      const each = this.idle[i]!;
      if (address !== null && each.address !== address) continue;
      this.idle.splice(i, 1);
      if (isDisplaceable(each)) return each;
    }
    return undefined;
  }

  private destroy(connection: Connection, reason: EndReason): void {
    this.options.onEnd?.(reason);
    // Its place is free now; its `close` comes later.
    this.forget(connection);
    connection.socket.destroy();
  }

  private forget(connection: Connection): void {
    this.reserve.delete(connection);
    this.silent.delete(connection);
    if (this.all.delete(connection) && connection.address !== null) this.perAddress.remove(connection.address);
  }
}

/** Since the last call. */
function bytesRead(connection: Connection): number {
  const { bytesRead: total } = connection.socket;
  const bytes = total - connection.bytesReadSeen;
  connection.bytesReadSeen = total;
  return bytes;
}

/** Notes when its client took something that it had not taken when this was last asked. */
function noteTaken(connection: Connection, now: number): void {
  const { socket } = connection;
  const bytesTaken = socket.bytesWritten - socket.writableLength;
  if (bytesTaken === connection.bytesTaken) return;
  connection.bytesTaken = bytesTaken;
  connection.takenAt = now;
}

const first = <T>(set: ReadonlySet<T>): T | undefined => set.values().next().value;
