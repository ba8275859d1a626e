// How many connections each remote address has. An IPv6 address counts as its /64, which is what one host is given.
import { isIP, type Socket } from 'node:net';

/** Whatever is no address: all of it together, or whoever makes such texts up would be somebody else with each. */
const NO_ADDRESS = 'no address';
const IPV6_GROUPS = 8;

/** An address as proxies write it, without what they write around it: brackets, a port, a zone. */
function bareAddress(text: string): string {
  const [bracketed] = /(?<=^\[)[^\]]{0,64}(?=\](?::\d{1,5})?$)/.exec(text) ?? [];
  const [address = ''] = (bracketed ?? text).split('%', 1);
  return address.includes('.') ? address.replace(/(?<=\.\d{1,3}):\d{1,5}$/, '') : address;
}

/** The sixteen-bit numbers of an IPv6 address in any of its spellings. */
function ipv6Groups(address: string): number[] {
  const hexOnly = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...bytes: string[]) => {
    const [a, b, c, d] = bytes.slice(0, 4).map(Number) as [number, number, number, number];
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = [], tail = []] = hexOnly
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))));
  return [...head, ...Array<number>(IPV6_GROUPS - head.length - tail.length).fill(0), ...tail];
}

/** Where an IPv6 address stands for an IPv4 one (::ffff:0:0/96), that. */
function mappedAddress(groups: readonly number[]): string | null {
  const [high = 0, low = 0] = groups.slice(6);
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  return isMapped ? [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.') : null;
}

/**
 * The first four groups of an IPv6 address; an IPv4 address as it is. Of any text: it may be one that a proxy passed
 * on, and the client wrote.
 */
export function addressGroup(text: string): string {
  const address = bareAddress(text);
  const family = isIP(address);
  if (family === 4) return address;
  if (family !== 6) return NO_ADDRESS;
  const groups = ipv6Groups(address);
  const first = groups.slice(0, 4).map((group) => group.toString(16));
  return mappedAddress(groups) ?? first.join(':');
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
