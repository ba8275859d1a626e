// What a name that ends up in a key, a row or a bill may consist of.

/** Characters are Unicode code points. */
export const NAME_LENGTH_MAX = 256;

/**
 * Why a text can't be such a name, in words that follow "must"; null when it can. U+0000 is refused because Postgres
 * can't store it: an event accepted with one could be counted and never billed. A lone surrogate has no UTF-8, so two
 * different names would become one.
 */
export function nameFault(text: string): string | null {
  if (text.length <= NAME_LENGTH_MAX && isPlain(text)) return null;
  if (text.length > NAME_LENGTH_MAX && !fitsName(text)) return `be at most ${NAME_LENGTH_MAX} characters`;
  return storedTextFault(text);
}

/** Why a text of any length can't be stored as it is, in words that follow "must"; null when it can. */
export function storedTextFault(text: string): string | null {
  if (!text.isWellFormed()) return 'be well-formed Unicode, and holds a lone surrogate';
  if (text.includes('\u0000')) return 'not hold the character U+0000';
  return null;
}

/** Whether it is at most that long. Counts code points only where UTF-16 units alone do not decide. */
export function fitsName(text: string): boolean {
  if (text.length <= NAME_LENGTH_MAX) return true;
  if (text.length > 2 * NAME_LENGTH_MAX) return false;
  let count = 0;
  for (const _ of text) count++;
  return count <= NAME_LENGTH_MAX;
}

/** Neither U+0000 nor a surrogate, which is nearly every name; a loop is faster than the two built-in searches. */
function isPlain(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === 0 || (unit >= 0xd800 && unit <= 0xdfff)) return false;
  }
  return true;
}
