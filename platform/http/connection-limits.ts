// How many connections an HTTP server takes: what the settings say, else what this process's file descriptors allow.
import { readFileSync } from 'node:fs';
import { BlockList, isIPv6 } from 'node:net';
import type { Settings } from '../settings/settings.ts';
import { addressGroup } from './address-counts.ts';

export type ConnectionSettings = Pick<
  Settings['http'],
  'connectionsMax' | 'connectionsPerAddressMax' | 'trustedProxies'
>;

export interface ConnectionLimits {
  readonly connectionsMax: number;
  readonly perAddressMax: number;
  isTrustedProxy(remoteAddress: string | undefined): boolean;
}

/** Where the system does not say: what most of them give at least. */
const DESCRIPTORS_ASSUMED = 1_024;
/** Each may cost 100 kB when its client is hostile: requests that wait, and an answer that is not read. */
const CONNECTIONS_MAX = 4_096;
/** The rest is for the stores, files and the reserve of connections. */
const DESCRIPTORS_SHARE = 3 / 4;

/** The soft limit, which Node raises to the hard one when it starts. */
export function openFilesMax(limitsFile = '/proc/self/limits'): number {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync(limitsFile, 'utf8'));
    return match === null ? DESCRIPTORS_ASSUMED : Number(match[1]);
  } catch {
    // Only Linux has this file.
    return DESCRIPTORS_ASSUMED;
  }
}

export function connectionLimits(settings: ConnectionSettings, descriptors = openFilesMax()): ConnectionLimits {
  const connectionsMax =
    settings.connectionsMax ?? Math.max(1, Math.min(CONNECTIONS_MAX, Math.floor(descriptors * DESCRIPTORS_SHARE)));
  const proxies = new BlockList();
  for (const network of settings.trustedProxies) {
    const [address = '', prefix] = network.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    proxies.addSubnet(address, Number(prefix ?? (family === 'ipv6' ? 128 : 32)), family);
  }
  return {
    connectionsMax,
    perAddressMax: settings.connectionsPerAddressMax ?? Math.max(1, Math.ceil(connectionsMax / 2)),
    isTrustedProxy: (remoteAddress) => {
      if (remoteAddress === undefined || settings.trustedProxies.length === 0) return false;
      const isMapped = remoteAddress.toLowerCase().startsWith('::ffff:');
      const address = isMapped ? addressGroup(remoteAddress) : remoteAddress;
      return proxies.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
    },
  };
}
