// What was agreed with whom, as whoever made it was answered: the price lists one after the other, and the one
// subscription that a customer may have. What the account can't work out from it is refused here, so that it never
// agrees by chance.
import type { Catalog, Price } from '../../domain/catalog/catalog.ts';

/** Instants are milliseconds since the epoch. */
export interface AgreedSubscription {
  readonly customer: string;
  readonly id: string;
  readonly billedFrom: number;
  readonly anchor: number | 'calendar';
  readonly timezone: string;
  /** In order of time; the first holds from the start. */
  readonly plans: readonly { readonly at: number; readonly plan: string }[];
  readonly endsAt: number | null;
}

interface PriceList {
  readonly from: number;
  readonly catalog: Catalog;
}

const UNSUPPORTED = ['every', 'onChange', 'charge', 'proration', 'giveBack', 'quantity', 'per'] as const;

/** What has to stay as it is when amounts change. */
function shapeOf({ meters, plans, defaultPlan }: Catalog): string {
  const priceShape = (price: Price) => [
    price.slug,
    price.model,
    price.model === 'flat' || price.model === 'price_book' ? null : [price.meter, price.match],
  ];
  return JSON.stringify([meters, defaultPlan, plans.map(({ prices, ...plan }) => [plan, prices.map(priceShape)])]);
}

export class Agreements {
  /** Of all meters. */
  readonly windowMs: number;
  private readonly priceLists: PriceList[];
  private readonly subscriptions = new Map<string, AgreedSubscription>();

  /**
   * The first price list prices everything that nothing priced before it. Throws for one that is beyond the account.
   */
  constructor(first: Catalog, windowMs: number) {
    this.windowMs = windowMs;
    this.priceLists = [{ from: Number.NEGATIVE_INFINITY, catalog: checked(first) }];
  }

  /** Only amounts may differ. */
  changePrices(catalog: Catalog, from: number): void {
    const newest = this.newest;
    if (shapeOf(newest.catalog) !== shapeOf(checked(catalog)) || from < newest.from)
      throw new Error('the account is kept for new amounts alone, one price list after the other');
    this.priceLists.push({ from, catalog });
  }

  /** Made, or changed: what holds by now is told whole. */
  subscribe(subscription: AgreedSubscription): void {
    const known = this.subscriptions.get(subscription.customer);
    if (known !== undefined && known.id !== subscription.id)
      throw new Error(`customer ${subscription.customer} has a subscription, and the account is kept for one`);
    this.subscriptions.set(subscription.customer, subscription);
  }

  get newest(): PriceList {
    return this.priceLists.at(-1)!;
  }

  get all(): readonly PriceList[] {
    return this.priceLists;
  }

  at(instant: number): Catalog {
    return this.priceLists.findLast(({ from }) => from <= instant)!.catalog;
  }

  subscriptionOf(customer: string): AgreedSubscription | null {
    return this.subscriptions.get(customer) ?? null;
  }

  get subscribers(): Iterable<string> {
    return this.subscriptions.keys();
  }
}

function checked(catalog: Catalog): Catalog {
  for (const { slug, prices } of catalog.plans) {
    for (const price of prices) {
      const choice = UNSUPPORTED.find((name) => name in price);
      if (choice !== undefined) throw new Error(`plan ${slug}, price ${price.slug}: the account knows no ${choice}`);
    }
    if (slug === catalog.defaultPlan && prices.some(({ model }) => model === 'flat'))
      throw new Error(`plan ${slug}: the account knows no fee of a default plan`);
    if (prices.every(({ model }) => model === 'flat'))
      throw new Error(`plan ${slug}: the account knows no plan without a price of usage`);
  }
  return catalog;
}
