import { describe, expect, it } from '@jest/globals';
import { addressGroup } from './address-counts.ts';
import { connectionLimits, openFilesMax } from './connection-limits.ts';

const unset = { connectionsMax: null, connectionsPerAddressMax: null, trustedProxies: [] };

describe('connectionLimits', () => {
  it.each([
    [1_024, 768, 384],
    [256, 192, 96],
    [1_048_576, 4_096, 2_048],
  ])('leaves descriptors for the stores: of %d takes %d connections, %d from one address', (descriptors, all, one) => {
    expect(connectionLimits(unset, descriptors)).toMatchObject({ connectionsMax: all, perAddressMax: one });
  });

  it('takes what is set', () => {
    const set = { ...unset, connectionsMax: 50, connectionsPerAddressMax: 3 };
    expect(connectionLimits(set, 1_024)).toMatchObject({ connectionsMax: 50, perAddressMax: 3 });
    expect(connectionLimits({ ...unset, connectionsMax: 1 })).toMatchObject({ connectionsMax: 1, perAddressMax: 1 });
  });

  it('reads what the system allows, and assumes little where it does not say', () => {
    expect(openFilesMax()).toBeGreaterThan(100);
    expect(openFilesMax('/nonexistent')).toBe(1_024);
  });

  it('knows trusted proxies by network, in either family', () => {
    const { isTrustedProxy } = connectionLimits({ ...unset, trustedProxies: ['10.0.0.0/8', '192.0.2.7', 'fd00::/8'] });
    for (const inside of ['10.1.2.3', '::ffff:10.1.2.3', '192.0.2.7', 'fd12::1']) {
      expect([inside, isTrustedProxy(inside)]).toEqual([inside, true]);
    }
    for (const outside of ['11.1.2.3', '192.0.2.8', '::ffff:11.1.2.3', 'fe80::1', undefined]) {
      expect([outside, isTrustedProxy(outside)]).toEqual([outside, false]);
    }
  });
});

describe('addressGroup', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1', 'fe80:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    // As proxies pass them on.
    ['192.0.2.7:5678', '192.0.2.7'],
    ['[2001:db8:1:2::6]:443', '2001:db8:1:2'],
    ['[2001:db8:1:2::6]', '2001:db8:1:2'],
    ['2001:0DB8:0001:2::6', '2001:db8:1:2'],
    ['::FFFF:c000:207', '192.0.2.7'],
    ['0:0:0:0:0:ffff:192.0.2.7', '192.0.2.7'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0'],
    ['1:2:3:4:5:6:7::192.0.2.7', 'no address'],
    ['1:2:3:4:5:6:7:8:9::', 'no address'],
    ['::::', 'no address'],
    ['', 'no address'],
    ['unknown', 'no address'],
    ['_hidden-7', 'no address'],
    [':'.repeat(99), 'no address'],
  ])('of %s is %s', (address, group) => {
    expect(addressGroup(address)).toBe(group);
  });
});
