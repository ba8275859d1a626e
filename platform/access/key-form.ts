// How an API key is written: tl_<prefix>_<secret><checksum>. The prefix is no secret: by it a person tells keys apart.
// The secret has 190 random bits. The checksum tells a key that was mistyped or cut off from one that nobody made,
// without a look-up, and tells scanners of secrets a key from a text that looks like one.
//
// Keys of before are tl_ and 256 random bits in base64url; they go on. The two differ in length.
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const PREFIX_LENGTH = 8;
const SECRET_LENGTH = 32;
/** 62^6 > 2^32. */
const CHECKSUM_LENGTH = 6;

const CHECKED = /^tl_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}$/;
const UNCHECKED = /^tl_[\w-]{43}$/;

/** The greatest multiple of 62 that a byte reaches: beyond it some digits would be likelier than others. */
const FAIR = 256 - (256 % DIGITS.length);

function randomDigits(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < FAIR && text.length < length) text += DIGITS[byte % DIGITS.length];
    }
  }
  return text;
}

function checksumOf(text: string): string {
  let rest = crc32(text);
  let checksum = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    checksum = DIGITS[rest % DIGITS.length] + checksum;
    rest = Math.floor(rest / DIGITS.length);
  }
  return checksum;
}

export function newApiKey(): string {
  const text = `tl_${randomDigits(PREFIX_LENGTH)}_${randomDigits(SECRET_LENGTH)}`;
  return text + checksumOf(text);
}

const hasChecksum = (key: string): boolean =>
  CHECKED.test(key) && key.endsWith(checksumOf(key.slice(0, -CHECKSUM_LENGTH)));

/** Whether a text can be a key as we make them, or made them. */
export const isWholeKey = (text: string): boolean => hasChecksum(text) || UNCHECKED.test(text);

/** Whether a text was meant to be such a key, and is none. */
export const isMistypedKey = (text: string): boolean => text.startsWith('tl_') && !isWholeKey(text);

/** Of a key of the present form; null: it has none. */
export const prefixOf = (key: string): string | null => (CHECKED.test(key) ? key.slice(3, 3 + PREFIX_LENGTH) : null);
