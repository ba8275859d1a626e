// Whom a client's address stands for where something is limited by address.

const MAPPED_IPV4 = '::ffff:';

/**
 * The address itself where it is IPv4. Of an IPv6 address the first 64 bits, as "2001:db8:0:1::/64": a network of that size is
 * what one client is given, with all the addresses in it.
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  if (address.startsWith(MAPPED_IPV4) && address.includes('.')) return address.slice(MAPPED_IPV4.length);
  const [head = '', tail] = address.split('::', 2);
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
