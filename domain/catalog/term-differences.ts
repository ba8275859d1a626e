// How two lists of terms differ, in words.
import type { Terms } from '../fields/definition-form.ts';

/** The aspects that differ, each as `name old -> new`. */
export const differences = (old: Terms, now: Terms): string[] =>
  [...new Set([...Object.keys(old), ...Object.keys(now)])]
    .filter((name) => old[name] !== now[name])
    .map((name) => `${name} ${old[name] ?? 'none'} -> ${now[name] ?? 'none'}`);
