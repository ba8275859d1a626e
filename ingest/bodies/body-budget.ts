// The bytes that all requests together may hold, from the first byte of a body to the answer. What holds always: the
// bytes held never pass the bound (but for a body that is alone, which its own limit bounds); and there is room for a
// newcomer, whoever sends and however much, because a key may take more only while it holds at most a third of what is
// then still free. One key comes to a quarter of the bound at most, a second one to a quarter of the rest, and so on:
// some is always left. A tenant with many keys may take more only while it holds no more than what is then free: all of
// its keys together come to half of the bound. This is the dynamic threshold of shared-memory switches (Choudhury and
// Hahne, 1998): nobody has to know who will want some.

const FREE_SHARE = 3;
/**
 * A key, or a tenant, that would hold this part of the bound is told that it is its own doing; another one that others
 * leave too little.
 */
const OWN_DOING = 1 / 8;
const TENANTS_OWN_DOING = 1 / 4;

/** Reading: the body arrives and is unpacked. Appending: its events wait for the log. */
export type BodyPhase = 'reading' | 'appending';

/** Why bytes were not given: the key or its tenant holds its part of the bound, or all together leave too little. */
export type BudgetFault = 'key_share' | 'full';

export interface BodyLease {
  /** Null when the bytes are taken, else why they do not fit. */
  take(bytes: number): BudgetFault | null;
  /** From here on its bytes count as waiting for the log. */
  beginAppending(): void;
  release(): void;
}

/** Accounts of keys that hold nothing are kept for their next request, and forgotten once there are this many. */
const ACCOUNTS_KEPT = 1_000;

interface TenantAccount {
  held: number;
  leases: number;
}

interface KeyAccount {
  readonly tenant: TenantAccount;
  held: number;
  leases: number;
  isTold: boolean;
}

export interface BodyBudgetOptions {
  /** Told once of a key that wants more than its part, until it holds nothing any more. */
  readonly onShareExceeded?: (keyId: string, heldBytes: number) => void;
}

export class BodyBudget {
  readonly bytesMax: number;
  private readonly options: BodyBudgetOptions;
  private readonly accounts = new Map<string, KeyAccount>();
  private readonly tenants = new Map<string, TenantAccount>();
  private forgetAt = ACCOUNTS_KEPT;
  private readonly heldIn: Record<BodyPhase, number> = { reading: 0, appending: 0 };

  constructor(bytesMax: number, options: BodyBudgetOptions = {}) {
    this.bytesMax = bytesMax;
    this.options = options;
  }

  get heldBytes(): number {
    return this.heldIn.reading + this.heldIn.appending;
  }

  held(phase: BodyPhase): number {
    return this.heldIn[phase];
  }

  lease(keyId: string, tenantId: string): BodyLease {
    let account = this.accounts.get(keyId);
    if (account === undefined) {
      if (this.accounts.size >= this.forgetAt) this.forgetIdle();
      const tenant = this.tenants.get(tenantId) ?? { held: 0, leases: 0 };
      this.tenants.set(tenantId, tenant);
      account = { tenant, held: 0, leases: 0, isTold: false };
      this.accounts.set(keyId, account);
    }
    account.leases++;
    account.tenant.leases++;
    return new Lease(this, keyId, account);
  }

  /** For a lease that holds `mine` so far. */
  take(keyId: string, account: KeyAccount, mine: number, bytes: number): BudgetFault | null {
    const freeThen = this.bytesMax - this.heldBytes - bytes;
    const keyThen = account.held + bytes;
    const tenantThen = account.tenant.held + bytes;
    // What is alone may be as large as its own bound allows.
    if (this.heldBytes > mine && (keyThen * FREE_SHARE > freeThen || tenantThen > freeThen)) {
      const isOwnDoing = keyThen > this.bytesMax * OWN_DOING || tenantThen > this.bytesMax * TENANTS_OWN_DOING;
      if (!isOwnDoing) return 'full';
      if (!account.isTold) this.options.onShareExceeded?.(keyId, account.held);
      account.isTold = true;
      return 'key_share';
    }
    this.move(account, 'reading', bytes);
    return null;
  }

  /** Adds to what is held, or takes away from it. */
  move(account: KeyAccount, phase: BodyPhase, bytes: number): void {
    this.heldIn[phase] += bytes;
    account.held += bytes;
    account.tenant.held += bytes;
  }

  end(account: KeyAccount): void {
    account.tenant.leases--;
    if (--account.leases === 0) account.isTold = false;
  }

  private forgetIdle(): void {
    for (const [keyId, { leases }] of this.accounts) if (leases === 0) this.accounts.delete(keyId);
    // Then none of its keys has an account either.
    for (const [tenantId, { leases }] of this.tenants) if (leases === 0) this.tenants.delete(tenantId);
    this.forgetAt = Math.max(ACCOUNTS_KEPT, 2 * this.accounts.size);
  }
}

class Lease implements BodyLease {
  private readonly budget: BodyBudget;
  private readonly keyId: string;
  private readonly account: KeyAccount;
  private phase: BodyPhase = 'reading';
  private mine = 0;
  private isOver = false;

  constructor(budget: BodyBudget, keyId: string, account: KeyAccount) {
    this.budget = budget;
    this.keyId = keyId;
    this.account = account;
  }

  take(bytes: number): BudgetFault | null {
    const fault = this.budget.take(this.keyId, this.account, this.mine, bytes);
    if (fault === null) this.mine += bytes;
    return fault;
  }

  beginAppending(): void {
    this.budget.move(this.account, this.phase, -this.mine);
    this.phase = 'appending';
    this.budget.move(this.account, this.phase, this.mine);
  }

  release(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.budget.move(this.account, this.phase, -this.mine);
    this.budget.end(this.account);
  }
}
