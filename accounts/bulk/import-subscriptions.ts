// Subscriptions of the rows of a file. Their customers are there, or are made by their names where the rows are those
// of a catalog of an earlier release.

import type { RatingCatalog } from '../../domain/rating/rating-catalog.ts';
import type { Author } from '../../platform/account-store/account-changes.ts';
import { makeCustomers } from '../../platform/account-store/new-customers.ts';
import type { Vault } from '../../platform/account-store/vault.ts';
import { shareOverlapFence } from '../../platform/catalog-publishing/overlap-fence.ts';
import { readCustomerBody } from '../core/customer-body.ts';
import type { WantedSubscription } from '../core/subscriptions/subscribing.ts';
import { readSubscriptionRow } from '../core/subscriptions/subscription-rows.ts';
import { subscribeCustomers } from '../subscribe-customers.ts';
import type { RowKind, RowOutcome } from './import-rows.ts';

export interface SubscriptionImport {
  readonly author: Author;
  readonly catalogs: RatingCatalog;
  /** Encrypts customers that are made by their names; null: they have to be there. */
  readonly vault: Vault | null;
  /** Whether what was rated already is billed anew by what the rows say. */
  readonly rerate: boolean;
}

export const importedSubscriptions = ({
  author,
  catalogs,
  vault,
  rerate,
}: SubscriptionImport): RowKind<WantedSubscription> => ({
  read: (row) => {
    const wanted = readSubscriptionRow(row, catalogs.newest);
    return { ...wanted, body: { ...wanted.body, rerate: rerate || wanted.body.rerate } };
  },
  async make(queries, rows) {
    if (vault !== null) {
      // Before customers are made, whose rows others may wait for.
      await shareOverlapFence(queries);
      const names = [...new Set(rows.map(({ body }) => body.customer))];
      const wanted = names.map((id) => ({ id, ...readCustomerBody({}) }));
      await makeCustomers(queries, vault, author, wanted);
    }
    const { outcomes } = await subscribeCustomers(queries, author, rows, catalogs);
    return outcomes.map(
      (outcome): RowOutcome => (outcome.is === 'refused' ? { refused: outcome.problem.message } : outcome.is),
    );
  },
});
