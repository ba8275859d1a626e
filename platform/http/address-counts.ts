// How many connections each remote address has. An IPv6 address counts as its /64, which is what one host is given.
import type { Socket } from 'node:net';

/** The first four groups of an IPv6 address as Node writes it; an IPv4 address as it is. */
export function addressGroup(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const last = tail === '' ? [] : tail.split(':');
    groups.push(...Array<string>(8 - groups.length - last.length).fill('0'), ...last);
  }
  return groups.slice(0, 4).join(':');
}

export class AddressCounts {
  private readonly counts = new Map<string, number>();

  /** Null for a connection that is gone already. */
  groupOf(socket: Pick<Socket, 'remoteAddress'>): string | null {
    return socket.remoteAddress === undefined ? null : addressGroup(socket.remoteAddress);
  }

  of(group: string): number {
    return this.counts.get(group) ?? 0;
  }

  add(group: string): void {
    this.counts.set(group, this.of(group) + 1);
  }

  remove(group: string): void {
    const count = this.of(group) - 1;
    if (count <= 0) this.counts.delete(group);
    else this.counts.set(group, count);
  }
}
