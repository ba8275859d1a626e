import { describe, expect, it } from '@jest/globals';
import { Vault } from './vault.ts';

const keyOf = (byte: number): Buffer => Buffer.alloc(32, byte);
const vault = new Vault([keyOf(1)]);
const cus1 = { tenant: 'acme', customer: 'cus_1' };
const personal = { name: 'Ann', metadata: { a: '😀' } };

describe('a vault', () => {
  it('opens what it sealed, and what it sealed says nothing of it', () => {
    const { key, ...wrapped } = vault.createKey(cus1);
    const sealed = vault.seal(cus1, 1, key, personal);
    expect(vault.open(cus1, 1, vault.unwrap(cus1, wrapped), sealed)).toEqual(personal);
    expect(sealed.toString('latin1')).not.toContain('Ann');
    expect(sealed.equals(vault.seal(cus1, 1, key, personal))).toBe(false);
    expect(wrapped.wrappedKey.includes(key)).toBe(false);
  });

  it('opens nothing in another place: of another tenant, customer, version or key', () => {
    const { key, wrappedKey, wrappedBy } = vault.createKey(cus1);
    const sealed = vault.seal(cus1, 1, key, personal);
    const others = [
      { tenant: 'umbrella', customer: 'cus_1' },
      { tenant: 'acme', customer: 'cus_2' },
      { tenant: 'acme","cus_1', customer: '' },
    ];
    for (const other of others) {
      expect(() => vault.open(other, 1, key, sealed)).toThrow();
      expect(() => vault.unwrap(other, { wrappedKey, wrappedBy })).toThrow();
    }
    expect(() => vault.open(cus1, 2, key, sealed)).toThrow();
    expect(() => vault.open(cus1, 1, vault.createKey(cus1).key, sealed)).toThrow();
  });

  it('opens nothing that was changed, in any byte', () => {
    const { key } = vault.createKey(cus1);
    const sealed = vault.seal(cus1, 1, key, personal);
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed);
      changed[i]! ^= 1;
      expect(() => vault.open(cus1, 1, key, changed)).toThrow();
    }
    for (const length of [0, 1, 28, sealed.length - 1]) {
      expect(() => vault.open(cus1, 1, key, sealed.subarray(0, length))).toThrow();
    }
  });

  it('goes from one installation key to the next: the first encrypts, each opens', () => {
    const both = new Vault([keyOf(2), keyOf(1)]);
    const next = new Vault([keyOf(2)]);
    const { key, ...wrapped } = vault.createKey(cus1);
    expect(both.unwrap(cus1, wrapped).equals(key)).toBe(true);
    expect(() => next.unwrap(cus1, wrapped)).toThrow(`TALLYLINE_ACCOUNTS_KEY lacks the key ${wrapped.wrappedBy}`);
    const rewrapped = both.wrap(cus1, key);
    expect(next.unwrap(cus1, rewrapped).equals(key)).toBe(true);
    expect(rewrapped.wrappedBy).toBe(both.keyIds[0]);
    expect(both.wordForms('acme', 'ann')).toEqual([next.word('acme', 'ann'), vault.word('acme', 'ann')]);
  });

  it('knows a word again, by tenant', () => {
    expect(vault.word('acme', 'ann')).toEqual(new Vault([keyOf(1)]).word('acme', 'ann'));
    const words = [vault.word('acme', 'ann'), vault.word('umbrella', 'ann'), vault.word('acme', 'anna')];
    expect(new Set(words.map((word) => word.toString('hex'))).size).toBe(3);
  });

  it('names a key without giving it away', () => {
    expect(vault.keyIds).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)]);
    expect(keyOf(1).toString('hex')).not.toContain(vault.keyIds[0]!);
    expect(() => new Vault([])).toThrow();
  });
});
