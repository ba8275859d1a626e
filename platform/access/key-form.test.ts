import { describe, expect, it } from '@jest/globals';
import { isMistypedKey, isWholeKey, newApiKey, prefixOf } from './key-form.ts';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

describe('newApiKey', () => {
  it('has the form that scanners of secrets are told', () => {
    expect(newApiKey()).toMatch(/^tl_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}$/);
  });

  it('is another one each time, of all digits alike', () => {
    const keys = Array.from({ length: 2_000 }, newApiKey);
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(keys.map(prefixOf)).size).toBe(keys.length);
    const counts = new Map<string, number>();
    for (const key of keys) for (const digit of key.slice(12, 44)) counts.set(digit, (counts.get(digit) ?? 0) + 1);
    // 64,000 digits of 62 kinds: six standard deviations about 1,032.
    for (const digit of DIGITS) {
      expect(counts.get(digit)).toBeGreaterThan(839);
      expect(counts.get(digit)).toBeLessThan(1_226);
    }
  });
});

describe('isMistypedKey', () => {
  it('knows every single wrong digit, and every pair of neighbours that changed places', () => {
    const key = newApiKey();
    expect([isWholeKey(key), isMistypedKey(key)]).toEqual([true, false]);
    for (let i = 3; i < key.length; i++) {
      for (const digit of DIGITS) {
        const typed = key.slice(0, i) + digit + key.slice(i + 1);
        expect(isMistypedKey(typed)).toBe(typed !== key);
      }
      const swapped = key.slice(0, i) + (key[i + 1] ?? '') + key[i] + key.slice(i + 2);
      expect(isMistypedKey(swapped)).toBe(swapped !== key);
    }
  });

  it('knows a key that was cut off or joined with something', () => {
    const key = newApiKey();
    for (let length = 3; length < key.length; length++) {
      // Of the length that keys had before, it may be one of those.
      expect(isMistypedKey(key.slice(0, length))).toBe(length !== 46);
    }
    expect(isMistypedKey(`${key}x`)).toBe(true);
  });

  it('says nothing of texts that were never meant to be one', () => {
    expect(isMistypedKey('sk_live_x')).toBe(false);
    expect(isMistypedKey('')).toBe(false);
  });

  it('is the same in every release: a key that was made once stays whole', () => {
    expect(isWholeKey('tl_PREFIX00_SecretSecretSecretSecretSecret0000000000')).toBe(false);
    expect(isWholeKey(KNOWN)).toBe(true);
  });
});

const KNOWN = 'tl_aB3dE6gH_0123456789ABCDEFGHIJKLMNOPQRSTUV2gEaIt';

describe('prefixOf', () => {
  it('is what follows tl_, and none of a key of before', () => {
    expect(prefixOf(KNOWN)).toBe('aB3dE6gH');
    expect(prefixOf(`tl_${'x'.repeat(43)}`)).toBe(null);
  });
});
