// Whose turn it is. Requests that cost a store something come through a gate with few places, which is fair by tenant:
//
//   places    A tenant may run another request only while it runs no more than there are places free. Alone it gets
//             most of them, and what is left is there for whoever comes.
//   turns     A place that gets free goes to the next tenant in turn, within the tenant to the next key in turn, and
//             within a key to the request that waits longest. However many one key sends, another's first waits for
//             one turn.
//   waiting   Bounded for a key, for a tenant by the room that is left, and for all. What is refused is told whose
//             fault it is.

interface Reader {
  readonly tenant: string;
  readonly keyId: string;
}

/** `key`: too many requests of this key, or of its tenant, wait already. `all`: of everybody. */
export type TurnRefusal = 'key' | 'all';

export interface GateBounds {
  readonly places: number;
  readonly waitingOfKeyMax: number;
  readonly waitingMax: number;
}

/** A request that waits, or runs once `start` was called. */
export interface Turn {
  readonly reader: Reader;
  readonly start: () => void;
}

class TenantQueue {
  running = 0;
  waiting = 0;
  /** In turn: the first is the next. */
  readonly byKey = new Map<string, Turn[]>();

  add(turn: Turn): void {
    const turns = this.byKey.get(turn.reader.keyId);
    if (turns === undefined) this.byKey.set(turn.reader.keyId, [turn]);
    else turns.push(turn);
    this.waiting += 1;
  }

  /** The request whose turn it is; its key goes to the end. */
  take(): Turn {
    const [keyId, turns] = this.byKey.entries().next().value!;
    const turn = turns.shift()!;
    this.byKey.delete(keyId);
    if (turns.length > 0) this.byKey.set(keyId, turns);
    this.waiting -= 1;
    return turn;
  }

  remove(turn: Turn): boolean {
    const { keyId } = turn.reader;
    const turns = this.byKey.get(keyId);
    const at = turns?.indexOf(turn) ?? -1;
    if (turns === undefined || at === -1) return false;
    turns.splice(at, 1);
    if (turns.length === 0) this.byKey.delete(keyId);
    this.waiting -= 1;
    return true;
  }
}

export class TurnGate {
  private readonly bounds: GateBounds;
  /** Those with a request, in turn. */
  private readonly tenants = new Map<string, TenantQueue>();
  private free: number;
  private waitingTotal = 0;

  constructor(bounds: GateBounds) {
    this.bounds = bounds;
    this.free = bounds.places;
  }

  get running(): number {
    return this.bounds.places - this.free;
  }

  get waiting(): number {
    return this.waitingTotal;
  }

  /** Starts the request, at once or when its turn comes, or says why it may not even wait. */
  enter(turn: Turn): TurnRefusal | null {
    const { tenant, keyId } = turn.reader;
    const queue = this.tenants.get(tenant) ?? new TenantQueue();
    // Nobody waits who could start, so whoever can start now takes no one's turn.
    if (queue.waiting === 0 && this.mayStart(queue)) {
      this.tenants.set(tenant, queue);
      this.start(queue, turn);
      return null;
    }
    const room = this.bounds.waitingMax - this.waitingTotal;
    if (room <= 0) return 'all';
    if ((queue.byKey.get(keyId)?.length ?? 0) >= this.bounds.waitingOfKeyMax || queue.waiting >= room) return 'key';
    this.tenants.set(tenant, queue);
    queue.add(turn);
    this.waitingTotal += 1;
    return null;
  }

  /** The request waits no longer, or has ended: its place goes to the next. Once for each that was let in. */
  leave(turn: Turn): void {
    const { tenant } = turn.reader;
    const queue = this.tenants.get(tenant)!;
    if (queue.remove(turn)) this.waitingTotal -= 1;
    else {
      queue.running -= 1;
      this.free += 1;
    }
    if (queue.running === 0 && queue.waiting === 0) this.tenants.delete(tenant);
    this.startNext();
  }

  private mayStart({ running }: TenantQueue): boolean {
    return this.free > 0 && running <= this.free;
  }

  private start(queue: TenantQueue, turn: Turn): void {
    queue.running += 1;
    this.free -= 1;
    turn.start();
  }

  private startNext(): void {
    for (;;) {
      const next = [...this.tenants].find(([, queue]) => queue.waiting > 0 && this.mayStart(queue));
      if (next === undefined) return;
      const [tenant, queue] = next;
      this.tenants.delete(tenant);
      this.tenants.set(tenant, queue);
      this.waitingTotal -= 1;
      this.start(queue, queue.take());
    }
  }
}
