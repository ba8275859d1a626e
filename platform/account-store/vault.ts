// Encrypts what can be forgotten. Each customer has a random key of its own, which is stored encrypted by the
// installation's key; its personal fields are encrypted by it, wherever they stand. What holds always:
//
// - Without the installation's key nothing can be read; without the customer's row of tallyline.customer_keys neither.
// - What was encrypted for one tenant, customer and version opens for no other one: rows can't be swapped.
// - Of the words that a customer is found by only an HMAC is stored, of each tenant another one.
//
// Of several installation keys the first encrypts, and each of them decrypts: that is how a key is replaced.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { keyText } from '../../domain/composite-key.ts';

export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of what is stored: the first byte says how the rest is to be read. */
const FORMAT = 1;
/** Enough that two words of a tenant are never one. */
const WORD_BYTES = 16;

export interface CustomerName {
  readonly tenant: string;
  readonly customer: string;
}

/** As a row of tallyline.customer_keys has it. */
export interface WrappedKey {
  readonly wrappedKey: Buffer;
  readonly wrappedBy: string;
}

/** The key of one customer. Not to be kept: another process may erase the customer at any time. */
export type CustomerKey = Buffer & { readonly isCustomerKey: true };

interface InstallationKey {
  /** Says which key it is, and nothing about it. */
  readonly id: string;
  readonly wrapping: Buffer;
  readonly words: Buffer;
}

const derived = (key: Buffer, purpose: string, bytes = KEY_BYTES): Buffer =>
  Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), `tallyline ${purpose}`, bytes));

function encrypted(key: Buffer, context: string, plain: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.of(FORMAT), nonce, cipher.getAuthTag(), body]);
}

/** Throws where it was encrypted by another key or for another context, or was changed. */
function decrypted(key: Buffer, context: string, stored: Buffer): Buffer {
  const bodyStart = 1 + NONCE_BYTES + TAG_BYTES;
  if (stored.length < bodyStart || stored[0] !== FORMAT) throw new Error('it is in no form that this release reads');
  const decipher = createDecipheriv('aes-256-gcm', key, stored.subarray(1, 1 + NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(context)).setAuthTag(stored.subarray(1 + NONCE_BYTES, bodyStart));
  return Buffer.concat([decipher.update(stored.subarray(bodyStart)), decipher.final()]);
}

const keyContext = ({ tenant, customer }: CustomerName): string => keyText('customer key', tenant, customer);
const fieldsContext = ({ tenant, customer }: CustomerName, version: number): string =>
  keyText('personal fields', tenant, customer, version);

export class Vault {
  private readonly keys: readonly [InstallationKey, ...InstallationKey[]];

  /** `keys`: 32 bytes each, at least one. */
  constructor(keys: readonly Buffer[]) {
    const [first, ...others] = keys.map((key) => ({
      id: derived(key, 'key name', 8).toString('hex'),
      wrapping: derived(key, 'customer keys'),
      words: derived(key, 'search words'),
    }));
    if (first === undefined) throw new RangeError('a vault needs a key');
    this.keys = [first, ...others];
  }

  /** Of the keys that it has, the one that encrypts first. */
  get keyIds(): readonly string[] {
    return this.keys.map(({ id }) => id);
  }

  /** A key for a new customer, and the same as it is to be stored. */
  createKey(customer: CustomerName): { readonly key: CustomerKey } & WrappedKey {
    const key = randomBytes(KEY_BYTES) as CustomerKey;
    return { key, ...this.wrap(customer, key) };
  }

  wrap(customer: CustomerName, key: CustomerKey): WrappedKey {
    const [{ id, wrapping }] = this.keys;
    return { wrappedKey: encrypted(wrapping, keyContext(customer), key), wrappedBy: id };
  }

  /** Throws where the installation key that it was encrypted by is not among those of the vault. */
  unwrap(customer: CustomerName, { wrappedKey, wrappedBy }: WrappedKey): CustomerKey {
    const by = this.keys.find(({ id }) => id === wrappedBy);
    if (by === undefined) throw new Error(`TALLYLINE_ACCOUNTS_KEY lacks the key ${wrappedBy}, which customers need`);
    return decrypted(by.wrapping, keyContext(customer), wrappedKey) as CustomerKey;
  }

  /** Any value that JSON can hold. */
  seal(customer: CustomerName, version: number, key: CustomerKey, value: unknown): Buffer {
    return encrypted(key, fieldsContext(customer, version), Buffer.from(JSON.stringify(value)));
  }

  open(customer: CustomerName, version: number, key: CustomerKey, sealed: Buffer): unknown {
    return JSON.parse(decrypted(key, fieldsContext(customer, version), sealed).toString('utf8'));
  }

  /** How a word is stored from now on. */
  word(tenant: string, word: string): Buffer {
    return this.wordBy(this.keys[0], tenant, word);
  }

  /** How it may have been stored: by each of the keys. */
  wordForms(tenant: string, word: string): Buffer[] {
    return this.keys.map((key) => this.wordBy(key, tenant, word));
  }

  private wordBy({ words }: InstallationKey, tenant: string, word: string): Buffer {
    return createHmac('sha256', words).update(keyText(tenant, word)).digest().subarray(0, WORD_BYTES);
  }
}
