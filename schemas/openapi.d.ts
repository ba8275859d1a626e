// Types of the API for its clients, written by `npm run openapi` from schemas/openapi.yaml.
export interface paths {
    "/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What came in a range of time; or what became of one event, by a parameter
         * @description With `id` as `/v1/events/{id}`, for ids that clients fold in a path, such as `.` and `..`. Without it a list of what
         *     the log's owners made of the events that gateways received from `from` on, in that order: `state` is what became of
         *     each as it came. Copies that were counted once leave no trace. What a gateway refused is in `/v1/refusals`.
         */
        get: operations["listEvents"];
        put?: never;
        /**
         * Send usage events
         * @description A 2xx is a promise: every accepted event is durable in the log, and is counted exactly once. The same event (source
         *     and id) may be sent again at any time; a duplicate is a success. Bodies may be compressed, with a
         *     `Content-Encoding` of gzip, deflate or br.
         *     An event with a `specversion` is a CloudEvent, whatever the content type. CloudEvents in binary mode put
         *     `ce-specversion: 1.0`, `ce-id`, `ce-source`, `ce-type`, `ce-subject` and `ce-time` in headers, and the data in an
         *     `application/json` body.
         */
        post: operations["sendEvents"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/events/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Find out what became of an event */
        get: operations["findEvent"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/refusals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What gateways refused lately
         * @description By key and code, the latest first: how often, and the newest few examples, without their data. A code is that of a
         *     rejected event, or of the problem with a request as a whole, which has no examples. Written some seconds after the
         *     refusal, and kept for 14 days after the last. Not a record of every refusal: what a client was answered is.
         */
        get: operations["listRefusals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meters": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The meters of the published catalog */
        get: operations["listMeters"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meters/{meter}/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The usage of a meter in buckets of time
         * @description The answer is of whole stored windows: its `from` and `to` say which, and may lie before and after those asked for.
         *     The buckets tile [from, to); the first and the last are cut off where the range begins or ends inside one. Buckets
         *     without usage have no row, unless `emptyBuckets` is true. Open buckets are read as fresh as they are counted. An
         *     answer of more than 10,000 rows is refused with `result_too_large`, never cut short: ask for pages with `limit`, or
         *     for a stream with `Accept: application/x-ndjson` or `text/csv`, which has all rows as of one moment.
         */
        get: operations["readUsage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/unpriced": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Usage that nothing prices
         * @description Closed usage that no price in any active subscription of its customer takes, by meter and group values: of prices
         *     that don't match it, of customers without a plan, in a pause, or after the last subscription ended. What is free in
         *     a trial is not among it. In the order of meters and group values. An answer may have fewer rows than `limit`, and
         *     even none, and a `nextCursor` all the same: then there is more to look at.
         */
        get: operations["listUnpriced"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/subjects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Who has usage
         * @description The subjects with usage of any published meter, by name, and the starts of the first and the last window that has
         *     some. Names are in the order of their bytes.
         */
        get: operations["listSubjects"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/line-item-subjects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What each subject cost
         * @description Of one line item, or of those of a customer: the item's amount shared by what each subject used of it, in the
         *     order of their names. An attribution, and no posting: the amounts of an item's rows add up to the item. An item of
         *     nobody's usage, such as a fee, is one row without a subject. `Accept: application/x-ndjson` or `text/csv` has all
         *     rows.
         */
        get: operations["listLineItemSubjects"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/line-items": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What was charged
         * @description In order of window start, then of writing. A line item never changes; a correction is a further one of kind
         *     `adjustment`. Rows written while paging neither repeat nor hide those that were there.
         */
        get: operations["listLineItems"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/customers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Customers, in the order in which they were made
         * @description Whoever walks the list with `nextCursor` meets each customer that was there at the start exactly once. `search`
         *     finds whole words: all of them in the name, or an e-mail address as a whole.
         */
        get: operations["listCustomers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/customers/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A customer, as it is or as it was */
        get: operations["getCustomer"];
        /**
         * Make a customer, or replace one
         * @description Without `If-Match` it is made, once: the same body again answers 200 with what is there, another one 412. With the
         *     ETag of its newest version it is replaced; what the body leaves out has its default.
         */
        put: operations["putCustomer"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/customers/{id}/archive": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Archive a customer
         * @description It stays as it is and can still be mended; no subject can be assigned to it any more.
         */
        post: operations["archiveCustomer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/customers/{id}/erase": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Forget the person behind a customer
         * @description Name, e-mail, billing address and metadata can't be read any more, in the customer as in the list of changes; so that
         *     this can't be undone. The customer is archived too. What was billed stays.
         */
        post: operations["eraseCustomer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/customers/{id}/subjects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The stretches of time in which subjects are a customer's
         * @description A subject that was never assigned belongs to the customer of its own name, and is in no list.
         */
        get: operations["listCustomerSubjects"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/subjects/{subject}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whose a subject is, and was
         * @description One that was never assigned belongs to the customer of its own name, whether or not there is such a customer.
         */
        get: operations["getSubject"];
        /**
         * Assign a subject to a customer, from an instant on
         * @description Usage belongs to the customer at the start of its window. Without `from` it is the customer's from now on; where it
         *     is that already, nothing changes. An assignment that is there from the same instant is replaced only with
         *     `If-Match`. What was rated already can't be assigned any more, but by `rerate`: 409 `already_rated` has the earliest instant.
         */
        put: operations["assignSubject"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/subscriptions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Subscriptions, in the order in which they were made */
        get: operations["listSubscriptions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/subscriptions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A subscription, its changes, and which price holds from when */
        get: operations["getSubscription"];
        /**
         * Make a subscription
         * @description Made again from the same body it is answered with what is there; from another body it is refused with 412, since a
         *     subscription is changed by `POST` and every change of it stays. It bills from `billedFrom` on, which is the instant at
         *     which it is made where nothing else is said: whoever moves here from elsewhere pays nothing twice.
         */
        put: operations["makeSubscription"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/subscriptions/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * What an act on a subscription, or a new one, would charge when
         * @description The body is an act as it would be sent, by its name and with the `subscription`, or the body of a new one with its `id`.
         *     Nothing is written. It is computed as the rater does it, for the fees up to `until` and for the usage so far. The act
         *     may carry the `previewHash`: then it is done as of the preview's instant, or refused where something has moved since.
         */
        post: operations["previewSubscription"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/subscriptions/{id}/change": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Change plan, quantities or prices, from an instant on
         * @description What is not named stays as it is. Quantities that are null are not stated any more; an override `{"slug": …, "remove":
         *     true}` gives the plan's price back. A change that says what holds anyway is no change.
         */
        post: operations["changeSubscription"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/subscriptions/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * End a subscription now, at the end of its period, or at an instant
         * @description The latest word counts while it has not ended. One that has not begun yet never does.
         */
        post: operations["cancelSubscription"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/subscriptions/{id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Pause a subscription
         * @description In a pause fees stop, and usage is not priced, and seen. Without `at` from now on; without `until` until it is resumed.
         */
        post: operations["pauseSubscription"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/subscriptions/{id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * End a pause
         * @description Without `at` from now on.
         */
        post: operations["resumeSubscription"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/subscriptions/{id}/undo": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Undo what of a change has not happened yet
         * @description Of a change that is still to come, its patches; of an end that was decided and has not come, the end. It brings back
         *     nothing that was replaced since.
         */
        post: operations["undoChange"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/catalog": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The catalog that the tenant has
         * @description What is metered and what it costs, as a file says it, with nothing left to a default; version 0 is the empty catalog
         *     before the first. A tenant without a catalog of its own has the default, which `tallyline catalog apply` changes.
         */
        get: operations["getCatalog"];
        /**
         * Give the tenant its own catalog, or change it
         * @description Makes a version of the tenant's own catalog, in JSON or YAML, and publishes it; from its first one on the default does
         *     not concern the tenant any more. Without `If-Match` the first one is made, once: the same body again answers 200 with
         *     what is there, another one 412. With the ETag of the catalog that holds, which may be the default, it is followed by
         *     this one. What is wrong with it is a 400 that names each field; what can't be done to what is there already is a 409
         *     `catalog_refused`, whose `refusals` are those of the diff. After a 503 send the same request again: it may have been
         *     done, and is not done twice.
         */
        put: operations["putCatalog"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/catalog/diff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * What another catalog would change
         * @description Compares a catalog, in JSON or YAML, with the one that the tenant has, and changes nothing. What is wrong with it is a
         *     400 that names each field; what can't be done to what is there already is in `refusals`. `customers` are told in
         *     pages of subscriptions that were looked at: send the same catalog with `cursor` for the next.
         */
        post: operations["diffCatalog"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meters/{meter}/recount": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Count a meter again over stored events
         * @description As the catalog in force defines it, in windows that start in the range, over what was counted by an earlier catalog.
         *     It is begun once by the `id` in the body, or else by the Idempotency-Key, which is then needed. Windows that are
         *     closed get adjustments. One recount of a tenant is under way at a time.
         */
        post: operations["recountMeter"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/recounts/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How far a recount is */
        get: operations["getRecount"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Who changed what, or what everything was at an instant
         * @description The newest change first. With `asOf` each object once, by kind and id: the newest change that was made by then, whose
         *     `after` is what the object was. Personal fields are there until the customer is erased.
         */
        get: operations["listChanges"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How far everything is counted */
        get: operations["readStatus"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document */
        get: operations["readOpenApi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The status page */
        get: operations["readStatusPage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The process is alive */
        get: operations["readHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The process can do its work */
        get: operations["readReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Prometheus metrics */
        get: operations["readMetrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        SubscriptionPrices: {
            /** @description A plan of the catalog */
            plan?: components["schemas"]["Slug"];
            /** @description By name, such as seats; null for what is not stated any more */
            quantities?: {
                [key: string]: components["schemas"]["Decimal"] | null;
            };
            /** @description Prices of this subscription alone, each as a plan of the catalog has it */
            overrides?: {
                slug: components["schemas"]["Slug"];
            }[];
            /** @description Beside those of its prices; all of them anew, none where it is empty */
            discounts?: components["schemas"]["SubscriptionDiscount"][];
        };
        /** @description One of rate, units and amount; units and an amount are of one price */
        SubscriptionDiscount: {
            /** @description Left out: a rate of all prices, fees too */
            price?: components["schemas"]["Slug"];
            /** @description A fraction of the amount: 0.2 is a fifth */
            rate?: components["schemas"]["Decimal"];
            /** @description Of a period */
            units?: components["schemas"]["Decimal"];
            /** @description Of a period */
            amount?: components["schemas"]["Decimal"];
            /**
             * Format: date-time
             * @description Left out: always
             */
            from?: string;
            /**
             * Format: date-time
             * @description Exclusive. Left out: for ever
             */
            until?: string;
        };
        Slug: string;
        SubscriptionBody: components["schemas"]["SubscriptionPrices"] & {
            customer: components["schemas"]["AccountId"];
            /**
             * Format: date-time
             * @description May lie in the past; periods are counted from it
             */
            startsAt: string;
            /** Format: date-time */
            endsAt?: string | null;
            /**
             * Format: date-time
             * @description From when on it bills; null for the instant at which it is made, or its start if that is later
             */
            billedFrom?: string | null;
            /** @description Where periods are counted from; null for what the plan says */
            anchor?: string | "calendar" | null;
            /** @description IANA; null for the customer's */
            timezone?: string | null;
            /** Format: date-time */
            trialEndsAt?: string | null;
            /** @description In place of trialEndsAt */
            trialDays?: number | null;
            /** @description What changes later, each behind the one before */
            phases?: (components["schemas"]["SubscriptionPrices"] & {
                /** Format: date-time */
                from: string;
            })[] | null;
            rerate?: components["schemas"]["Rerate"];
            previewHash?: components["schemas"]["PreviewHash"];
            reason?: components["schemas"]["ReasonText"];
        };
        /** @description True: it may hold from before what was rated. That is rated again, and what differs is adjusted. */
        Rerate: boolean | null;
        /** @description Of a preview. It is done as of the preview's instant, or refused with 409 `preview_moved` */
        PreviewHash: string | null;
        /** @description One of the acts */
        PreviewedActBody: {
            subscription: components["schemas"]["AccountId"];
            change?: components["schemas"]["SubscriptionChangeBody"];
            cancel?: components["schemas"]["SubscriptionEndBody"];
            pause?: components["schemas"]["PauseBody"];
            resume?: components["schemas"]["SubscriptionResumeBody"];
            undo?: components["schemas"]["UndoBody"];
        };
        PreviewedNewBody: components["schemas"]["SubscriptionBody"] & {
            id: components["schemas"]["AccountId"];
        };
        /** @description Null where there is no such term */
        PreviewedSide: {
            plan: string;
            /** Format: date-time */
            to: string;
            /**
             * Format: date-time
             * @description When a fee is charged; null for usage, which is charged as its windows close
             */
            dueAt: string | null;
            quantity: components["schemas"]["Decimal"];
            amount: components["schemas"]["Decimal"];
        } | null;
        PreviewedAmounts: {
            before: components["schemas"]["Decimal"];
            after: components["schemas"]["Decimal"];
            difference: components["schemas"]["Decimal"];
        };
        SubscriptionPreview: {
            customer: components["schemas"]["AccountId"];
            /**
             * Format: date-time
             * @description The instant it is made for
             */
            now: string;
            /** @description False where it says what holds anyway */
            isChange: boolean;
            becomes: components["schemas"]["Subscription"];
            currency: string;
            /**
             * Format: date-time
             * @description Charges up to here are looked at
             */
            until: string;
            /**
             * Format: date-time
             * @description Usage of windows that end by then is in it; null where none was closed yet
             */
            usageUpTo: string | null;
            /**
             * @description What each term of each price comes to in the customer's periods that the act may concern, without it and with it;
             *     those without a charge are left out
             */
            terms: {
                price: string;
                /** @description Null for a fee */
                meter: string | null;
                /** @description Null for the default plan */
                subscription: string | null;
                /** Format: date-time */
                periodStart: string;
                /** Format: date-time */
                periodEnd: string;
                /** Format: date-time */
                from: string;
                before: components["schemas"]["PreviewedSide"];
                after: components["schemas"]["PreviewedSide"];
                difference: components["schemas"]["Decimal"];
            }[];
            /** @description What is charged when, beside usage that is still to come */
            charged: (components["schemas"]["PreviewedAmounts"] & {
                /** Format: date-time */
                at: string;
            })[];
            total: components["schemas"]["PreviewedAmounts"];
            /** @description For the act that is to do just this */
            previewHash: string;
        };
        /** @description An instant for which windows were rated already is refused with 409 `already_rated`, unless `rerate` is true */
        AskedInstant: ("now" | "period_end") | string;
        SubscriptionChangeBody: components["schemas"]["SubscriptionPrices"] & {
            at: components["schemas"]["AskedInstant"];
            /** Format: date-time */
            trialEndsAt?: string | null;
            rerate?: components["schemas"]["Rerate"];
            previewHash?: components["schemas"]["PreviewHash"];
            reason?: components["schemas"]["ReasonText"];
        };
        SubscriptionEndBody: {
            at: components["schemas"]["AskedInstant"];
            rerate?: components["schemas"]["Rerate"];
            previewHash?: components["schemas"]["PreviewHash"];
            reason?: components["schemas"]["ReasonText"];
        };
        SubscriptionResumeBody: {
            at?: components["schemas"]["AskedInstant"];
            rerate?: components["schemas"]["Rerate"];
            previewHash?: components["schemas"]["PreviewHash"];
            reason?: components["schemas"]["ReasonText"];
        };
        PauseBody: {
            at?: components["schemas"]["AskedInstant"];
            /** Format: date-time */
            until?: string | null;
            rerate?: components["schemas"]["Rerate"];
            previewHash?: components["schemas"]["PreviewHash"];
            reason?: components["schemas"]["ReasonText"];
        };
        UndoBody: {
            /** @description The number of the change */
            change: number;
            previewHash?: components["schemas"]["PreviewHash"];
            reason?: components["schemas"]["ReasonText"];
        };
        Subscription: {
            id: components["schemas"]["AccountId"];
            customer: components["schemas"]["AccountId"];
            /** @enum {unknown} */
            status: "scheduled" | "trial" | "active" | "paused" | "ended";
            /** @description Of now; what it begins with, or ended with */
            plan: components["schemas"]["Slug"];
            quantities: {
                [key: string]: components["schemas"]["Decimal"];
            };
            overrides: Record<string, never>[];
            discounts: components["schemas"]["SubscriptionDiscount"][];
            /** Format: date-time */
            startsAt: string;
            /** Format: date-time */
            billedFrom: string;
            /** Format: date-time */
            endsAt: string | null;
            /** Format: date-time */
            trialEndsAt: string | null;
            /** @description open until somebody resumes it; null where it is not paused */
            pausedUntil: string | "open" | null;
            anchor: string | "calendar";
            timezone: string;
            changes: components["schemas"]["SubscriptionChange"][];
            version: number;
            /** Format: date-time */
            createdAt: string;
            /** Format: date-time */
            updatedAt: string;
        };
        SubscriptionChange: {
            /** @description Its number, by which it is undone */
            change: number;
            /** Format: date-time */
            recordedAt: string;
            /** @description The change of which nothing counts from `at` on */
            undoes: number | null;
            /**
             * Format: date-time
             * @description Of an undo
             */
            at: string | null;
            /** @description What it says, and from when on */
            patches: {
                /** Format: date-time */
                at: string;
            }[];
        };
        /** @description From when to when a definition of a price holds for the subscription */
        PriceTerm: {
            price: components["schemas"]["PriceName"];
            plan: components["schemas"]["Slug"];
            /** @description Null for a price of the subscription alone */
            catalogVersion: number | null;
            /** @description Of a fee */
            quantity: components["schemas"]["Decimal"] | null;
            /** @description It is held, and costs nothing */
            trial: boolean;
            /** Format: date-time */
            from: string | null;
            /**
             * Format: date-time
             * @description Exclusive; null where nothing ends it yet
             */
            to: string | null;
        };
        /** @description The slug of a price, or of a percentage's fee the slug with /fee */
        PriceName: string;
        /** @description An exact decimal number of any length */
        Decimal: string;
        Name: string;
        /**
         * Format: date-time
         * @description At most 35 days ago and 5 minutes ahead; the time of arrival where it is left out
         */
        EventTime: string | null;
        Event: {
            id: components["schemas"]["Name"];
            /** @default  */
            source: string | null;
            type: components["schemas"]["Name"];
            subject: components["schemas"]["Name"];
            time?: components["schemas"]["EventTime"];
            /** @description Numbers may be JSON numbers or decimal strings, of at most 26 integer and 12 fraction digits */
            data?: Record<string, never> | null;
        };
        CloudEvent: {
            /** @constant */
            specversion: "1.0";
            id: components["schemas"]["Name"];
            source: components["schemas"]["Name"];
            type: components["schemas"]["Name"];
            subject: components["schemas"]["Name"];
            time?: components["schemas"]["EventTime"];
            datacontenttype?: string | null;
            data?: Record<string, never> | null;
        };
        Rejection: {
            /** @description The event's place in the request */
            index: number;
            id?: string | null;
            /** @enum {string} */
            code: "malformed_line" | "invalid_event" | "missing_field" | "invalid_field" | "unknown_field" | "unsupported_specversion" | "unsupported_datacontenttype" | "subject_not_allowed" | "invalid_time" | "time_too_old" | "time_in_future" | "invalid_data" | "data_too_large" | "nested_too_deep" | "too_many_values" | "invalid_value" | "missing_value" | "invalid_group";
            message: string;
            field?: string | null;
        };
        Receipt: {
            accepted: number;
            /** @description With overlapping_prices, from when on which two */
            overlap?: {
                /** Format: date-time */
                from: string;
                prices: {
                    subscription: components["schemas"]["AccountId"];
                    price: components["schemas"]["PriceName"];
                }[];
            };
            rejected: components["schemas"]["Rejection"][];
        };
        EventState: {
            /**
             * @description A copy of an accepted event is a duplicate of it and leaves no trace, so a look-up answers accepted
             * @enum {string}
             */
            state: "accepted" | "duplicate" | "conflict" | "too_late" | "rejected" | "unknown";
            /** Format: date-time */
            receivedAt?: string;
            countedIn?: {
                meter: string;
                /** Format: date-time */
                windowStart: string;
                quantity: components["schemas"]["Decimal"];
            }[];
            /** @description The meters of its type that could not read it, and leave it out */
            unread?: {
                meter: string;
                /** @example invalid_value */
                code: string;
                /** @description Why, in words */
                reason: string;
            }[];
            /** @description Ids of the line items that price this usage */
            lineItems?: string[];
            /** @description How often the same source and id came with another payload, which was not counted */
            conflicts?: number;
            /** @description Why it was not counted */
            code?: string;
            /** @description Why it was not counted, in words */
            reason?: string;
            /** @description Of an unknown event - how gateways refused it lately, where it is among the examples of /v1/refusals */
            refused?: components["schemas"]["RefusedEvent"][];
        };
        Events: {
            data: {
                id: string;
                source: string;
                type: string;
                subject: string;
                /**
                 * Format: date-time
                 * @description The event's own time; that of arrival where it had none
                 */
                time: string;
                /**
                 * Format: date-time
                 * @description When a gateway received it
                 */
                receivedAt: string;
                /** @enum {string} */
                state: "accepted" | "conflict" | "too_late" | "rejected";
                /** @description Why it was not counted */
                code?: string;
                /** @description Why it was not counted, in words */
                reason?: string;
            }[];
            nextCursor: string | null;
        };
        RefusedEvent: {
            /** @description Only in the state of an event */
            code?: string;
            /** @description As sent, cut in length; null where there was none, as of the others */
            id: string | null;
            source: string | null;
            type: string | null;
            subject: string | null;
            /** @description As sent, which may be no time */
            time: string | null;
            message: string;
            /**
             * Format: date-time
             * @description When it was refused
             */
            at: string;
        };
        Refusals: {
            data: {
                /** @description The id of the API key */
                key: string;
                keyName: string;
                code: string;
                count: number;
                /** Format: date-time */
                firstAt: string;
                /** Format: date-time */
                lastAt: string;
                examples: components["schemas"]["RefusedEvent"][];
            }[];
        };
        Meters: {
            data: {
                meter: string;
                eventType: string;
                /** @enum {string} */
                aggregation: "sum" | "count" | "max" | "min" | "latest" | "unique" | "avg";
                dimensions: string[];
                /** @enum {string} */
                window: "1m" | "15m" | "1h" | "1d";
                /**
                 * @description How much time a line item covers, aligned to UTC; less where its billing period begins or ends
                 * @enum {string}
                 */
                lineItems: "1m" | "15m" | "1h" | "1d";
                across: components["schemas"]["Across"];
            }[];
        };
        /**
         * @description How the values of several subjects become one: sum and max of each subject's value; with union what several of
         *     them have counts once; pooled, their events are those of one
         * @enum {string}
         */
        Across: "sum" | "max" | "union" | "pooled";
        /** @enum {string} */
        BucketSize: "1m" | "15m" | "1h" | "1d" | "1mo" | "total";
        /**
         * Format: date-time
         * @description Up to here everything that came is counted and sealed; null at the very beginning
         */
        Watermark: string | null;
        /** @description The age of what a read can see of the partition that is furthest behind; null before anything was counted */
        LagSeconds: number | null;
        /** @description As a catalog file. `tallyline catalog schema` prints its JSON Schema */
        CatalogDocument: {
            currency: string;
            meters?: Record<string, never>[];
            plans?: Record<string, never>[];
            defaultPlan?: string | null;
        };
        CatalogVersion: {
            /** @description Rises, and is counted over all tenants; 0 before the first */
            version: number;
            /**
             * Format: date-time
             * @description From when on its prices hold; null before the first version
             */
            effectiveAt: string | null;
            catalog: components["schemas"]["CatalogDocument"];
        };
        /** @description Empty - both say the same */
        CatalogChanges: {
            /** @enum {string} */
            kind: "added" | "removed" | "changed";
            /** @description Such as plan payg, price input */
            subject: string;
            detail: string;
        }[];
        /** @description What can't be done, and what to do instead; empty - all of it can */
        CatalogRefusals: {
            subject: string;
            reason: string;
        }[];
        AppliedCatalog: {
            /** @description Of the catalog that says what the body says */
            version: number;
            /** Format: date-time */
            effectiveAt: string;
            changes: components["schemas"]["CatalogChanges"];
            /** @description From when on what has changed of meters and prices holds */
            starts: components["schemas"]["CatalogStart"][];
        };
        LineItemSubjects: {
            data: {
                /** Format: uuid */
                lineItem: string;
                customer: string;
                price: string;
                /** Format: date-time */
                windowStart: string;
                /** Format: date-time */
                windowEnd: string;
                /** @description Who used it; null: nobody did, as of a fee */
                subject: string | null;
                /** @description What of the item's quantity is the subject's */
                quantity: string;
                /** @description Its part of the item's amount */
                amount: string;
                currency: string;
            }[];
            nextCursor: string | null;
        };
        CatalogStart: {
            subject: string;
            /** @description In words */
            start: string;
        };
        CatalogDiff: {
            /** @description Of the catalog that it was compared with; 0 where there is none */
            version: number;
            changes: components["schemas"]["CatalogChanges"];
            /** @description From when on what would change of meters holds */
            starts: components["schemas"]["CatalogStart"][];
            refusals: components["schemas"]["CatalogRefusals"];
            /** @description What the widths of added meters serve, which are for ever */
            windows: {
                /** @enum {string} */
                window: "1m" | "15m" | "1h" | "1d";
                /** @enum {string} */
                lineItems: "1m" | "15m" | "1h" | "1d";
                meters: string[];
                serves: string;
            }[];
            /** @description Whose prices would change if it were applied now, of the subscriptions that were looked at */
            customers: {
                lookedAt: number;
                /** @description Of the customers of this page, each once. null - usage could not be asked for */
                total: {
                    currency: string;
                    before: components["schemas"]["Decimal"];
                    after: components["schemas"]["Decimal"];
                    difference: components["schemas"]["Decimal"];
                    /** @description false - of some customers the amount is null */
                    isComplete: boolean;
                } | null;
                changed: {
                    customer: string;
                    /**
                     * @description Of the customer as a whole, in the periods that run: by the catalog that holds, and by this one from now on, with
                     *     usage so far and what is due up to `until`. null - more than 120 charges are ahead, or usage could not be asked for
                     */
                    amount: {
                        /** Format: date-time */
                        until: string;
                        before: components["schemas"]["Decimal"];
                        after: components["schemas"]["Decimal"];
                        difference: components["schemas"]["Decimal"];
                    } | null;
                    prices: {
                        subscription: string | null;
                        price: string;
                        /** @enum {string} */
                        change: "added" | "changed" | "gone";
                        /**
                         * Format: date-time
                         * @description For usage the start of a window
                         */
                        from: string;
                        /** Format: date-time */
                        periodStart: string;
                        /** Format: date-time */
                        periodEnd: string;
                    }[];
                }[];
                nextCursor: string | null;
            };
            /** @description Group values that usage of the last 30 days has and that no price would take, of most subjects first. null - usage could not be asked for */
            unpriced: {
                /** Format: date-time */
                since: string;
                groups: {
                    meter: string;
                    groups: {
                        [key: string]: string;
                    };
                    subjects: number;
                    /** Format: date-time */
                    firstSeen: string;
                    /** Format: date-time */
                    lastSeen: string;
                    /** @description Plans that price the meter and not this usage; empty - no plan prices the meter */
                    plans: string[];
                    /** @description Plans that take it by now, and would not */
                    lost: string[];
                }[];
                /** @description Whether all group values were looked at */
                isComplete: boolean;
            } | null;
            /** @description Prices that would charge the same usage */
            overlaps: {
                /** @description Within a plan each price stands for itself, so this may be what is meant */
                inPlans: {
                    plan: string;
                    meter: string;
                    prices: string[];
                }[];
                /** @description Between two subscriptions of a customer, where there is none by now; the first of each customer */
                ofCustomers: {
                    customer: string;
                    /** Format: date-time */
                    from: string;
                    prices: {
                        subscription: string;
                        price: string;
                    }[];
                }[];
                /** @description Whether all customers with several subscriptions were looked at */
                isComplete: boolean;
            };
        };
        Usage: {
            meter: string;
            /**
             * Format: date-time
             * @description The start of the first stored window of the answer, at or before the `from` asked for
             */
            from: string;
            /**
             * Format: date-time
             * @description The end of the last stored window of the answer, at or after the `to` asked for
             */
            to: string;
            window: components["schemas"]["BucketSize"];
            /** @description Only where a row is of several subjects */
            across?: components["schemas"]["Across"];
            watermark: components["schemas"]["Watermark"];
            lagSeconds: components["schemas"]["LagSeconds"];
            /** @description The subjects asked for that have none in the range; absent where there is no such subject */
            withoutUsage?: {
                subject: string;
                /**
                 * Format: date-time
                 * @description The start of the first window in which the meter has usage of it; null - it never had any
                 */
                firstSeen: string | null;
            }[];
            data: {
                /** Format: date-time */
                windowStart: string;
                /** Format: date-time */
                windowEnd: string;
                /** @description Only where filtered or grouped by subject */
                subject?: string;
                /** @description Only where grouped by dimensions; "" for an event without the property */
                groups?: {
                    [key: string]: string;
                };
                value: components["schemas"]["Decimal"];
                /**
                 * @description Only with emptyBuckets - there was no usage
                 * @constant
                 */
                isEmpty?: true;
                /**
                 * @description Closed once the watermark passed windowEnd by the allowed lateness; events that come after its line item are adjustments
                 * @enum {string}
                 */
                state: "open" | "closed";
            }[];
            /**
             * @description Only with `others=true`: all subjects or groups that are in no row, merged as the meter merges usage - their sum,
             *     their greatest or least value, the latest one, the mean of their events, or how many different values they have
             *     among them. Null where there are none.
             */
            others?: {
                value: components["schemas"]["Decimal"];
                /** @description How many subjects or groups they are */
                count: number;
            } | null;
            /** @description For the next page; null where there is none, and in a ranking */
            nextCursor: string | null;
        };
        Unpriced: {
            /** Format: date-time */
            from: string;
            /** Format: date-time */
            to: string;
            /**
             * Format: date-time
             * @description Usage of what ended by then is told. null while nothing was closed
             */
            closedUpTo: string | null;
            data: {
                meter: string;
                /** @description A value for each of the meter's dimensions; "" where the event had none */
                groups: {
                    [key: string]: string;
                };
                quantity: components["schemas"]["Decimal"];
                /** @description How many have it */
                subjects: number;
                /**
                 * Format: date-time
                 * @description The start of the first window that adds to it
                 */
                firstSeen: string;
                /**
                 * Format: date-time
                 * @description The start of the last one
                 */
                lastSeen: string;
            }[];
            nextCursor: string | null;
        };
        Subjects: {
            data: {
                subject: string;
                /**
                 * Format: date-time
                 * @description The start of the first window with usage
                 */
                firstSeen: string;
                /**
                 * Format: date-time
                 * @description The start of the last one
                 */
                lastSeen: string;
            }[];
            nextCursor: string | null;
        };
        AccountId: string;
        BillingAddress: {
            line1?: string | null;
            line2?: string | null;
            city?: string | null;
            region?: string | null;
            postalCode?: string | null;
            /** @description ISO 3166 */
            country?: string | null;
        };
        /** @description Null is as if it were left out */
        CustomerBody: {
            name?: string | null;
            email?: string | null;
            /** @description ISO 4217; that of the catalog where it is left out */
            currency?: string | null;
            /** @description IANA; that of the plan where it is left out */
            timezone?: string | null;
            /**
             * @description The seller within the tenant
             * @default default
             */
            entity: string | null;
            /** @description The customer that it belongs to, which is there */
            parent?: string | null;
            /**
             * @default self
             * @enum {string|null}
             */
            paidBy: "self" | "parent" | null;
            billingAddress?: components["schemas"]["BillingAddress"] | null;
            metadata?: {
                [key: string]: string;
            } | null;
            reason?: components["schemas"]["ReasonText"];
        };
        /** @description Why it is changed. Kept with the change for ever and not encrypted - no person's data */
        ReasonText: string | null;
        Reason: {
            reason?: components["schemas"]["ReasonText"];
        };
        Customer: {
            id: string;
            name: string | null;
            email: string | null;
            currency: string | null;
            timezone: string | null;
            entity: string;
            parent: string | null;
            /** @enum {string} */
            paidBy: "self" | "parent";
            billingAddress: components["schemas"]["BillingAddress"] | null;
            metadata: {
                [key: string]: string;
            };
            /** @description How often it was changed; its ETag */
            version: number;
            /** Format: date-time */
            createdAt: string;
            /** Format: date-time */
            updatedAt: string;
            /** Format: date-time */
            archivedAt: string | null;
            /**
             * Format: date-time
             * @description Since when its personal fields can't be read
             */
            erasedAt: string | null;
        };
        CustomerState: {
            id: string;
            version: number;
            /** Format: date-time */
            updatedAt: string;
            /** Format: date-time */
            archivedAt: string | null;
            /** Format: date-time */
            erasedAt: string | null;
        };
        Customers: {
            data: components["schemas"]["Customer"][];
            nextCursor: string | null;
        };
        Assignment: {
            customer: string;
            /** Format: date-time */
            from: string;
        };
        AssignmentBody: {
            /** @description One that is there and not archived */
            customer: string;
            /**
             * Format: date-time
             * @description Now where it is left out. From 1970 to 2106
             */
            from?: string | null;
            rerate?: components["schemas"]["Rerate"];
            reason?: components["schemas"]["ReasonText"];
        };
        AssignedSubject: {
            subject: string;
            /** @description Whose it is now */
            customer: string;
            /** @description By time */
            assignments: components["schemas"]["Assignment"][];
            /** @description 0 for one that was never assigned */
            version: number;
            /**
             * Format: date-time
             * @description When it was first assigned
             */
            createdAt: string | null;
            /** Format: date-time */
            updatedAt: string | null;
        };
        SubjectStretches: {
            data: {
                subject: string;
                /** Format: date-time */
                from: string;
                /**
                 * Format: date-time
                 * @description When it is assigned anew; null - not yet
                 */
                to: string | null;
            }[];
            nextCursor: string | null;
        };
        RecountBody: {
            id?: components["schemas"]["AccountId"] | null;
            /**
             * Format: date-time
             * @description Windows that start then or later
             */
            from: string;
            /**
             * Format: date-time
             * @description And before this; null - all that an earlier catalog counted
             */
            to?: string | null;
        };
        Recount: {
            id: string;
            meter: string;
            /** @description By which it is counted */
            catalogVersion: number;
            /** Format: date-time */
            from: string;
            /** Format: date-time */
            to: string | null;
            /** @enum {string} */
            state: "running" | "done";
            /** @description Pieces of the log that it concerns; null - that is not known yet */
            chunks: number | null;
            /** @description Those of them that are counted again */
            recounted: number;
            /** Format: date-time */
            requestedAt: string;
        };
        /** @description As the object itself is answered, without its id, version and times */
        ObjectFields: Record<string, never>;
        Changes: {
            data: {
                /** @enum {string} */
                kind: "customer" | "subject" | "subscription" | "key" | "catalog" | "recount";
                id: string;
                /** @description Of the object, from this change on */
                version: number;
                /** @description key:<id of the API key>, or cli:<user> */
                actor: string;
                reason: string | null;
                /** Format: date-time */
                at: string;
                /** @description Null - it was made */
                before: components["schemas"]["ObjectFields"] | null;
                after: components["schemas"]["ObjectFields"];
                /**
                 * @description Only where the customer was erased - its personal fields are empty
                 * @constant
                 */
                erased?: true;
            }[];
            nextCursor: string | null;
        };
        FieldFault: {
            /** @description metadata.KEY within a map */
            field: string;
            /** @enum {string} */
            code: "missing_field" | "unknown_field" | "invalid_field";
            message: string;
        };
        LineItem: {
            /** Format: uuid */
            id: string;
            /** @description Who is billed */
            customer: string;
            /** @description Null for a customer without one */
            subscription: string | null;
            /** @description Whose usage it is alone - the price is for each subject, or the customer had no other by then. Null - of several */
            subject: string | null;
            plan: string;
            price: string;
            /** @description Null for a fee */
            meter: string | null;
            groups: {
                [key: string]: string;
            };
            /**
             * Format: date-time
             * @description The start of the first window that it is of
             */
            windowStart: string;
            /**
             * Format: date-time
             * @description The end of the last window that it is of; of a fee, the end of what it is charged for
             */
            windowEnd: string;
            /**
             * Format: date-time
             * @description Of the grid of its subscription
             */
            periodStart: string;
            /** Format: date-time */
            periodEnd: string;
            /**
             * Format: date-time
             * @description Where the stretch of the period begins in which one definition of the price holds
             */
            termStart: string;
            /** @description The version of the catalog that defines the price; null - the subscription has a price of its own */
            catalogVersion: number | null;
            quantity: components["schemas"]["Decimal"];
            amount: components["schemas"]["Decimal"];
            /**
             * @description Of a quantity with the amount 0 - it costs nothing, or what was charged before pays for it too
             * @enum {unknown}
             */
            zeroAmount: "free" | "already_paid" | null;
            currency: string;
            /** @enum {string} */
            kind: "usage" | "adjustment";
            revision: number;
            /** Format: date-time */
            createdAt: string;
        };
        LineItems: {
            /** @description The subject that was asked for, where the answer has none of its line items */
            withoutLineItems?: {
                subject: string;
                /**
                 * Format: date-time
                 * @description The start of the first window that it has a line item of; null - it never had one
                 */
                firstSeen: string | null;
            }[];
            data: components["schemas"]["LineItem"][];
            nextCursor: string | null;
        };
        Status: {
            watermark: components["schemas"]["Watermark"];
            lagSeconds: components["schemas"]["LagSeconds"];
            /** @description Only for an operator's key, since offsets tell how much all tenants together send */
            partitions?: {
                partition: number;
                /** @description One past the last log record that is counted */
                nextOffset: number;
                /** @description One past the last log record */
                logEndOffset: number;
                /**
                 * Format: date-time
                 * @description The log's time at nextOffset
                 */
                watermark: string | null;
            }[];
        };
        Problem: {
            /** @example urn:tallyline:problem:invalid_parameter */
            type: string;
            title: string;
            status: number;
            /** @enum {string} */
            code: "malformed_body" | "empty_batch" | "no_event_accepted" | "invalid_parameter" | "conflicting_parameters" | "invalid_request" | "unknown_dimension" | "window_too_small" | "range_misaligned" | "timezone_misaligned" | "result_too_large" | "invalid_field" | "idempotency_key_required" | "invalid_cursor" | "unauthenticated" | "malformed_key" | "unknown_key" | "expired_key" | "revoked_key" | "insufficient_scope" | "outside_customer" | "not_found" | "method_not_allowed" | "unknown_meter" | "unknown_customer" | "unknown_subscription" | "request_timeout" | "idempotency_conflict" | "in_progress" | "customer_archived" | "customer_erased" | "already_rated" | "assignments_full" | "subscription_ended" | "changes_full" | "preview_moved" | "not_paused" | "nothing_to_undo" | "overlapping_prices" | "catalog_refused" | "recount_refused" | "currency_mismatch" | "version_mismatch" | "body_too_large" | "too_many_events" | "unsupported_media_type" | "unsupported_encoding" | "expectation_failed" | "rate_limited" | "share_exceeded" | "headers_too_large" | "internal" | "unsupported_transfer_coding" | "log_unavailable" | "overloaded" | "not_ready" | "shutting_down" | "store_unavailable" | "query_timeout" | "usage_damaged";
            /** @description What to do about it, for a person */
            detail: string;
            requestId: string;
            /** @description With invalid_field, what is wrong with the body */
            faults?: components["schemas"]["FieldFault"][];
            /**
             * @description With insufficient_scope, the one that is missing
             * @enum {string}
             */
            scope?: "ingest" | "read" | "manage" | "admin";
            /** @description With version_mismatch, that of now; 0 for what is not there */
            version?: number;
            refusals?: components["schemas"]["CatalogRefusals"];
            /**
             * Format: date-time
             * @description With already_rated, the earliest from that works
             */
            earliest?: string;
            rejected?: components["schemas"]["Rejection"][];
        };
    };
    responses: {
        /** @description What is wrong with the request */
        Problem: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Nothing was accepted or read; send the request again after Retry-After seconds */
        ProblemToRetry: {
            headers: {
                "Retry-After"?: number;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: {
        /** @description The customer's id, percent-encoded. Chosen by whoever makes it; not encrypted, so no person's data */
        CustomerId: components["schemas"]["AccountId"];
        /** @description The subject as events name it, percent-encoded */
        Subject: components["schemas"]["AccountId"];
        /** @description The subscription, percent-encoded */
        SubscriptionId: components["schemas"]["AccountId"];
        /** @description The ETag of the version that is to be changed, such as "3"; * for whatever version there is */
        IfMatch: string;
        /** @description A new one for each thing to be done. The same request with it has the same answer for 30 days, and is done once */
        IdempotencyKey: string;
    };
    requestBodies: never;
    headers: {
        /** @description The version of the object in quotes, for If-Match */
        ETag: string;
    };
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    listEvents: {
        parameters: {
            query?: {
                /** @description The event's id: where it is, and nothing about others */
                id?: string;
                /** @description The event's source, with id; "" where it had none */
                source?: string;
                /** @description Inclusive bound of receivedAt. From 1970 to 2106 */
                from?: string;
                /** @description Exclusive bound of receivedAt. From 1970 to 2106 */
                to?: string;
                /** @description Only those of one subject */
                subject?: string;
                /** @description Only those of one type */
                type?: string;
                /** @description Only what became of them */
                state?: "accepted" | "conflict" | "too_late" | "rejected";
                /** @description Events in an answer, or fewer */
                limit?: number;
                /** @description The nextCursor of the page before, with the same parameters */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Where the event is, `unknown` until it is counted, about a second after it was accepted; or a page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventState"] | components["schemas"]["Events"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    sendEvents: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "id": "evt_01",
                 *       "source": "api",
                 *       "type": "llm.completion",
                 *       "subject": "cus_42",
                 *       "time": "2026-11-20T10:00:00Z",
                 *       "data": {
                 *         "model": "m-large",
                 *         "input_tokens": 1204,
                 *         "output_tokens": "88"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["Event"] | components["schemas"]["CloudEvent"] | (components["schemas"]["Event"] | components["schemas"]["CloudEvent"])[];
                "application/x-ndjson": string;
                "application/ndjson": string;
                "application/jsonl": string;
                "application/cloudevents+json": components["schemas"]["CloudEvent"];
                "application/cloudevents-batch+json": components["schemas"]["CloudEvent"][];
            };
        };
        responses: {
            /** @description Every event is durable in the log */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "accepted": 2,
                     *       "rejected": []
                     *     }
                     */
                    "application/json": components["schemas"]["Receipt"];
                };
            };
            /** @description The good events are durable in the log, and the rest are listed */
            207: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "accepted": 1,
                     *       "rejected": [
                     *         {
                     *           "index": 1,
                     *           "id": "evt_02",
                     *           "code": "time_too_old",
                     *           "message": "time is more than 35 days in the past"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Receipt"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            408: components["responses"]["ProblemToRetry"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            417: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            501: components["responses"]["Problem"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    findEvent: {
        parameters: {
            query?: {
                /** @description The event's source; "" where it had none */
                source?: string;
            };
            header?: never;
            path: {
                /** @description The event's id, percent-encoded; it may hold slashes */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Where it is; `unknown` until it is counted, about a second after it was accepted */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventState"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    listRefusals: {
        parameters: {
            query?: {
                /** @description Only those with this code */
                code?: string;
                /** @description Rows in an answer, the latest first */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The latest */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "key": "key_0aBcDeFgHiJk",
                     *           "keyName": "production",
                     *           "code": "time_too_old",
                     *           "count": 12,
                     *           "firstAt": "2026-11-20T09:00:00Z",
                     *           "lastAt": "2026-11-20T10:00:00.412Z",
                     *           "examples": [
                     *             {
                     *               "id": "evt_02",
                     *               "source": "api",
                     *               "type": "llm.completion",
                     *               "subject": "cus_42",
                     *               "time": "2026-01-01T00:00:00Z",
                     *               "message": "time is more than 35 days in the past",
                     *               "at": "2026-11-20T10:00:00.412Z"
                     *             }
                     *           ]
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Refusals"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    listMeters: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All of them */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "meter": "input_tokens",
                     *           "eventType": "llm.completion",
                     *           "aggregation": "sum",
                     *           "dimensions": [
                     *             "model"
                     *           ],
                     *           "window": "15m",
                     *           "lineItems": "1h",
                     *           "across": "sum"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Meters"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    readUsage: {
        parameters: {
            query: {
                /** @description Inclusive; the start of the meter's stored window that holds it. From 1970 to 2106 */
                from: string;
                /** @description Exclusive; the end of the stored window that it lies in. Without it, the end of the one that holds now. From 1970 to 2106 */
                to?: string;
                /** @description Refuse a from or to inside a stored window, `range_misaligned`, instead of taking the whole window */
                strict?: boolean;
                /** @description The size of the buckets, not below the meter's own window, which is the default */
                window?: components["schemas"]["BucketSize"];
                /** @description The IANA zone in which 1d and 1mo buckets begin */
                timezone?: string;
                /** @description Only these subjects; the rows are then by subject */
                subject?: string[];
                /** @description A row for each value; `subject` or one of the meter's dimensions */
                groupBy?: string[];
                /** @description A row with value 0 for each bucket without usage, of every subject and groups in the answer */
                emptyBuckets?: boolean;
                /** @description Rows of a page, or of a ranking; without it an answer of more than 10,000 rows is refused */
                limit?: number;
                /** @description The nextCursor of the page before, with the same parameters */
                cursor?: string;
                /** @description Rows by window, subject and groups; or those with the greatest values first, with `window=total` */
                order?: "time" | "value";
                /** @description With order=value: what the meter says of all other subjects or groups together */
                others?: boolean;
                /** @description `filter[DIMENSION]=value`, repeatable: any of the values of one dimension, and all of the dimensions. */
                filter?: {
                    [key: string]: string | string[];
                };
            };
            header?: never;
            path: {
                meter: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The usage, and how complete it is */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "meter": "input_tokens",
                     *       "from": "2026-11-20T10:00:00Z",
                     *       "to": "2026-11-20T11:00:00Z",
                     *       "window": "1h",
                     *       "watermark": "2026-11-20T11:04:58.120Z",
                     *       "lagSeconds": 1.2,
                     *       "data": [
                     *         {
                     *           "windowStart": "2026-11-20T10:00:00Z",
                     *           "windowEnd": "2026-11-20T11:00:00Z",
                     *           "subject": "cus_42",
                     *           "groups": {
                     *             "model": "m-large"
                     *           },
                     *           "value": "12040",
                     *           "state": "open"
                     *         }
                     *       ],
                     *       "nextCursor": null
                     *     }
                     */
                    "application/json": components["schemas"]["Usage"];
                    "application/x-ndjson": string;
                    "text/csv": string;
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    listUnpriced: {
        parameters: {
            query: {
                /** @description Inclusive bound of the starts of windows. From 1970 to 2106 */
                from: string;
                /** @description Exclusive bound of the starts of windows; left out: now. From 1970 to 2106 */
                to?: string;
                /** @description Only usage of one meter */
                meter?: string;
                /** @description Meters and group values in an answer, or fewer */
                limit?: number;
                /** @description The nextCursor of the page before, with the same from, to and meter */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "from": "2026-11-01T00:00:00Z",
                     *       "to": "2026-11-20T12:00:00Z",
                     *       "closedUpTo": "2026-11-20T11:54:59Z",
                     *       "data": [
                     *         {
                     *           "meter": "input_tokens",
                     *           "groups": {
                     *             "model": "m-huge"
                     *           },
                     *           "quantity": "1204",
                     *           "subjects": 3,
                     *           "firstSeen": "2026-11-18T08:00:00Z",
                     *           "lastSeen": "2026-11-20T10:00:00Z"
                     *         }
                     *       ],
                     *       "nextCursor": null
                     *     }
                     */
                    "application/json": components["schemas"]["Unpriced"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    listSubjects: {
        parameters: {
            query?: {
                /** @description Only subjects that begin with it, as it is written */
                search?: string;
                /** @description Subjects in an answer */
                limit?: number;
                /** @description The nextCursor of the page before, with the same search */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "subject": "cus_42",
                     *           "firstSeen": "2026-10-02T08:00:00Z",
                     *           "lastSeen": "2026-11-20T10:00:00Z"
                     *         }
                     *       ],
                     *       "nextCursor": null
                     *     }
                     */
                    "application/json": components["schemas"]["Subjects"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    listLineItemSubjects: {
        parameters: {
            query?: {
                /** @description Of one line item, by its id */
                lineItem?: string;
                /** @description Of the line items of one customer */
                customer?: string;
                /** @description Inclusive bound of the windowStart of line items. From 1970 to 2106 */
                from?: string;
                /** @description Exclusive bound of the windowStart of line items. From 1970 to 2106 */
                to?: string;
                /** @description Rows in an answer, or fewer */
                limit?: number;
                /** @description The nextCursor of the page before, with the same lineItem, customer, from and to */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "lineItem": "6f1c1f0a-52c5-5c6e-8a5e-0d4f6f0f3a51",
                     *           "customer": "cus_42",
                     *           "price": "input-large",
                     *           "windowStart": "2026-11-20T10:00:00Z",
                     *           "windowEnd": "2026-11-20T11:00:00Z",
                     *           "subject": "workspace_7",
                     *           "quantity": "1204",
                     *           "amount": "0.003612",
                     *           "currency": "USD"
                     *         }
                     *       ],
                     *       "nextCursor": null
                     *     }
                     */
                    "application/json": components["schemas"]["LineItemSubjects"];
                    "application/x-ndjson": string;
                    "text/csv": string;
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    listLineItems: {
        parameters: {
            query?: {
                /** @description Only those of one customer */
                customer?: string;
                /** @description Only those of one subject, and those that its customer has of all its subjects */
                subject?: string;
                /** @description Inclusive bound of windowStart. From 1970 to 2106 */
                from?: string;
                /** @description Exclusive bound of windowStart. From 1970 to 2106 */
                to?: string;
                /** @description Line items in an answer */
                limit?: number;
                /** @description The nextCursor of the page before, with the same customer, subject, from and to */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "id": "6f1c1f0a-52c5-5c6e-8a5e-0d4f6f0f3a51",
                     *           "customer": "cus_42",
                     *           "subscription": null,
                     *           "subject": "cus_42",
                     *           "plan": "pay-as-you-go",
                     *           "price": "input-large",
                     *           "meter": "input_tokens",
                     *           "groups": {
                     *             "model": "m-large"
                     *           },
                     *           "windowStart": "2026-11-20T10:00:00Z",
                     *           "windowEnd": "2026-11-20T11:00:00Z",
                     *           "periodStart": "2026-11-01T00:00:00Z",
                     *           "periodEnd": "2026-12-01T00:00:00Z",
                     *           "termStart": "2026-11-01T00:00:00Z",
                     *           "catalogVersion": 1,
                     *           "quantity": "1204",
                     *           "amount": "0.003612",
                     *           "zeroAmount": null,
                     *           "currency": "USD",
                     *           "kind": "usage",
                     *           "revision": 0,
                     *           "createdAt": "2026-11-20T11:05:31.007Z"
                     *         }
                     *       ],
                     *       "nextCursor": null
                     *     }
                     */
                    "application/json": components["schemas"]["LineItems"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    listCustomers: {
        parameters: {
            query?: {
                /** @description Only customers with all of these words in their name, or with this e-mail address; whole words, in any case */
                search?: string;
                /** @description Customers in an answer */
                limit?: number;
                /** @description The nextCursor of the page before, with the same search */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [],
                     *       "nextCursor": null
                     *     }
                     */
                    "application/json": components["schemas"]["Customers"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    getCustomer: {
        parameters: {
            query?: {
                /** @description What the customer was then; without it, what it is now. From 1970 to 2106 */
                asOf?: string;
            };
            header?: never;
            path: {
                /** @description The customer's id, percent-encoded. Chosen by whoever makes it; not encrypted, so no person's data */
                id: components["parameters"]["CustomerId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The customer; null where its personal fields were erased */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "cus_42",
                     *       "name": "Anna Schmidt GmbH",
                     *       "email": "billing@example.com",
                     *       "currency": "EUR",
                     *       "timezone": "Europe/Berlin",
                     *       "entity": "default",
                     *       "parent": null,
                     *       "paidBy": "self",
                     *       "billingAddress": {
                     *         "line1": "Hauptstr. 1",
                     *         "line2": null,
                     *         "city": "Berlin",
                     *         "region": null,
                     *         "postalCode": "10115",
                     *         "country": "DE"
                     *       },
                     *       "metadata": {
                     *         "crm": "0012"
                     *       },
                     *       "version": 1,
                     *       "createdAt": "2026-11-20T10:00:00.412Z",
                     *       "updatedAt": "2026-11-20T10:00:00.412Z",
                     *       "archivedAt": null,
                     *       "erasedAt": null
                     *     }
                     */
                    "application/json": components["schemas"]["Customer"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    putCustomer: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of the version that is to be changed, such as "3"; * for whatever version there is */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /** @description The customer's id, percent-encoded. Chosen by whoever makes it; not encrypted, so no person's data */
                id: components["parameters"]["CustomerId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "name": "Anna Schmidt GmbH",
                 *       "email": "billing@example.com",
                 *       "currency": "EUR",
                 *       "timezone": "Europe/Berlin",
                 *       "metadata": {
                 *         "crm": "0012"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["CustomerBody"];
            };
        };
        responses: {
            /** @description It is as the body says, now or since before */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Customer"];
                };
            };
            /** @description It was made */
            201: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Customer"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            412: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    archiveCustomer: {
        parameters: {
            query?: never;
            header: {
                /** @description A new one for each thing to be done. The same request with it has the same answer for 30 days, and is done once */
                "Idempotency-Key": components["parameters"]["IdempotencyKey"];
                /** @description The ETag of the version that is to be changed, such as "3"; * for whatever version there is */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /** @description The customer's id, percent-encoded. Chosen by whoever makes it; not encrypted, so no person's data */
                id: components["parameters"]["CustomerId"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "reason": "asked for by letter of 20 November"
                 *     }
                 */
                "application/json": components["schemas"]["Reason"];
            };
        };
        responses: {
            /** @description It is so, now or since before */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "cus_42",
                     *       "version": 2,
                     *       "updatedAt": "2026-11-20T10:00:00.412Z",
                     *       "archivedAt": "2026-11-20T10:00:00.412Z",
                     *       "erasedAt": null
                     *     }
                     */
                    "application/json": components["schemas"]["CustomerState"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            412: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    eraseCustomer: {
        parameters: {
            query?: never;
            header: {
                /** @description A new one for each thing to be done. The same request with it has the same answer for 30 days, and is done once */
                "Idempotency-Key": components["parameters"]["IdempotencyKey"];
                /** @description The ETag of the version that is to be changed, such as "3"; * for whatever version there is */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /** @description The customer's id, percent-encoded. Chosen by whoever makes it; not encrypted, so no person's data */
                id: components["parameters"]["CustomerId"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "reason": "asked for by letter of 20 November"
                 *     }
                 */
                "application/json": components["schemas"]["Reason"];
            };
        };
        responses: {
            /** @description It is so, now or since before */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "cus_42",
                     *       "version": 2,
                     *       "updatedAt": "2026-11-20T10:00:00.412Z",
                     *       "archivedAt": "2026-11-20T10:00:00.412Z",
                     *       "erasedAt": "2026-11-20T10:00:00.412Z"
                     *     }
                     */
                    "application/json": components["schemas"]["CustomerState"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            412: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    listCustomerSubjects: {
        parameters: {
            query?: {
                /** @description Stretches in an answer */
                limit?: number;
                /** @description The nextCursor of the page before, with the same customer */
                cursor?: string;
            };
            header?: never;
            path: {
                /** @description The customer's id, percent-encoded. Chosen by whoever makes it; not encrypted, so no person's data */
                id: components["parameters"]["CustomerId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page, in the order in which the subjects were first assigned */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "subject": "workspace_7",
                     *           "from": "2026-11-20T10:00:00Z",
                     *           "to": null
                     *         }
                     *       ],
                     *       "nextCursor": null
                     *     }
                     */
                    "application/json": components["schemas"]["SubjectStretches"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    getSubject: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The subject as events name it, percent-encoded */
                subject: components["parameters"]["Subject"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its assignments */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "subject": "workspace_7",
                     *       "customer": "cus_42",
                     *       "assignments": [
                     *         {
                     *           "customer": "cus_42",
                     *           "from": "2026-11-20T10:00:00Z"
                     *         }
                     *       ],
                     *       "version": 1,
                     *       "createdAt": "2026-11-20T10:00:00Z",
                     *       "updatedAt": "2026-11-20T10:00:00Z"
                     *     }
                     */
                    "application/json": components["schemas"]["AssignedSubject"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    assignSubject: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of the version that is to be changed, such as "3"; * for whatever version there is */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /** @description The subject as events name it, percent-encoded */
                subject: components["parameters"]["Subject"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "customer": "cus_42",
                 *       "from": "2026-12-01T00:00:00Z"
                 *     }
                 */
                "application/json": components["schemas"]["AssignmentBody"];
            };
        };
        responses: {
            /** @description It is so, now or since before */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AssignedSubject"];
                };
            };
            /** @description It was assigned for the first time */
            201: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AssignedSubject"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            412: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    listSubscriptions: {
        parameters: {
            query?: {
                /** @description Only those of this customer */
                customer?: string;
                /** @description Subscriptions in an answer */
                limit?: number;
                /** @description The nextCursor of the page before, with the same customer */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of them */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Subscription"][];
                        nextCursor: string | null;
                    };
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    getSubscription: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The subscription, percent-encoded */
                id: components["parameters"]["SubscriptionId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The subscription */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Subscription"] & {
                        terms: components["schemas"]["PriceTerm"][];
                    };
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    makeSubscription: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of the version that is to be changed, such as "3"; * for whatever version there is */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /** @description The subscription, percent-encoded */
                id: components["parameters"]["SubscriptionId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "customer": "cus_42",
                 *       "plan": "team",
                 *       "startsAt": "2026-12-01T00:00:00Z",
                 *       "quantities": {
                 *         "seats": "10"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["SubscriptionBody"];
            };
        };
        responses: {
            /** @description It was made so before */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Subscription"];
                };
            };
            /** @description It was made */
            201: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Subscription"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            412: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    previewSubscription: {
        parameters: {
            query?: {
                /** @description Charges up to here. Left out, the end of the period in which it takes effect. From 1970 to 2106 */
                until?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "subscription": "sub_42",
                 *       "change": {
                 *         "at": "now",
                 *         "quantities": {
                 *           "seats": "12"
                 *         }
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["PreviewedActBody"] | components["schemas"]["PreviewedNewBody"];
            };
        };
        responses: {
            /** @description What would be */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SubscriptionPreview"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            412: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    changeSubscription: {
        parameters: {
            query?: never;
            header: {
                /** @description A new one for each thing to be done. The same request with it has the same answer for 30 days, and is done once */
                "Idempotency-Key": components["parameters"]["IdempotencyKey"];
                /** @description The ETag of the version that is to be changed, such as "3"; * for whatever version there is */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /** @description The subscription, percent-encoded */
                id: components["parameters"]["SubscriptionId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "at": "now",
                 *       "quantities": {
                 *         "seats": "12"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["SubscriptionChangeBody"];
            };
        };
        responses: {
            /** @description It is so, now or since before */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Subscription"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            412: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    cancelSubscription: {
        parameters: {
            query?: never;
            header: {
                /** @description A new one for each thing to be done. The same request with it has the same answer for 30 days, and is done once */
                "Idempotency-Key": components["parameters"]["IdempotencyKey"];
                /** @description The ETag of the version that is to be changed, such as "3"; * for whatever version there is */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /** @description The subscription, percent-encoded */
                id: components["parameters"]["SubscriptionId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "at": "period_end",
                 *       "reason": "moves to a smaller plan"
                 *     }
                 */
                "application/json": components["schemas"]["SubscriptionEndBody"];
            };
        };
        responses: {
            /** @description It is so, now or since before */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Subscription"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            412: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    pauseSubscription: {
        parameters: {
            query?: never;
            header: {
                /** @description A new one for each thing to be done. The same request with it has the same answer for 30 days, and is done once */
                "Idempotency-Key": components["parameters"]["IdempotencyKey"];
                /** @description The ETag of the version that is to be changed, such as "3"; * for whatever version there is */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /** @description The subscription, percent-encoded */
                id: components["parameters"]["SubscriptionId"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "until": "2027-01-15T00:00:00Z"
                 *     }
                 */
                "application/json": components["schemas"]["PauseBody"];
            };
        };
        responses: {
            /** @description It is so, now or since before */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Subscription"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            412: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    resumeSubscription: {
        parameters: {
            query?: never;
            header: {
                /** @description A new one for each thing to be done. The same request with it has the same answer for 30 days, and is done once */
                "Idempotency-Key": components["parameters"]["IdempotencyKey"];
                /** @description The ETag of the version that is to be changed, such as "3"; * for whatever version there is */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /** @description The subscription, percent-encoded */
                id: components["parameters"]["SubscriptionId"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                /**
                 * @example {
                 *       "at": "now"
                 *     }
                 */
                "application/json": components["schemas"]["SubscriptionResumeBody"];
            };
        };
        responses: {
            /** @description It is so, now or since before */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Subscription"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            412: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    undoChange: {
        parameters: {
            query?: never;
            header: {
                /** @description A new one for each thing to be done. The same request with it has the same answer for 30 days, and is done once */
                "Idempotency-Key": components["parameters"]["IdempotencyKey"];
                /** @description The ETag of the version that is to be changed, such as "3"; * for whatever version there is */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /** @description The subscription, percent-encoded */
                id: components["parameters"]["SubscriptionId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "change": 3
                 *     }
                 */
                "application/json": components["schemas"]["UndoBody"];
            };
        };
        responses: {
            /** @description It is so, now or since before */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Subscription"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            412: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    getCatalog: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The newest version */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "version": 3,
                     *       "effectiveAt": "2026-11-01T00:00:00Z",
                     *       "catalog": {
                     *         "currency": "USD",
                     *         "meters": [
                     *           {
                     *             "slug": "calls",
                     *             "eventType": "call",
                     *             "aggregation": "count",
                     *             "where": {
                     *               "data.status": [
                     *                 "success"
                     *               ]
                     *             },
                     *             "required": false,
                     *             "precision": "rounded",
                     *             "unreadable": "refuse",
                     *             "groupBy": {},
                     *             "window": "15m",
                     *             "lineItems": "1h",
                     *             "across": "sum"
                     *           }
                     *         ],
                     *         "plans": [],
                     *         "defaultPlan": null
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["CatalogVersion"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    putCatalog: {
        parameters: {
            query?: {
                /** @description From when on its prices hold; left out: from now on */
                effectiveAt?: string;
                /** @description To the periods that run, or to the next one of each subscription */
                appliesTo?: "running" | "next";
            };
            header?: {
                /** @description The ETag of the version that is to be changed, such as "3"; * for whatever version there is */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "currency": "USD",
                 *       "meters": [
                 *         {
                 *           "slug": "calls",
                 *           "eventType": "call",
                 *           "aggregation": "count"
                 *         }
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["CatalogDocument"];
                "application/yaml": string;
            };
        };
        responses: {
            /** @description It is as the body says, now or since before */
            200: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "version": 4,
                     *       "effectiveAt": "2026-11-20T10:00:00Z",
                     *       "changes": [
                     *         {
                     *           "kind": "changed",
                     *           "subject": "plan p, price a",
                     *           "detail": "unitAmount 0.1 -> 0.2"
                     *         }
                     *       ],
                     *       "starts": [
                     *         {
                     *           "subject": "plan p, price a",
                     *           "start": "from 2026-11-20T11:00:00Z on"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["AppliedCatalog"];
                };
            };
            /** @description The tenant has a catalog of its own by it */
            201: {
                headers: {
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppliedCatalog"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            412: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    diffCatalog: {
        parameters: {
            query?: {
                /** @description Subscriptions to look at, whose prices would change or not */
                limit?: number;
                /** @description nextCursor of the page before, with the same catalog */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "currency": "USD",
                 *       "meters": [
                 *         {
                 *           "slug": "calls",
                 *           "eventType": "call",
                 *           "aggregation": "count"
                 *         }
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["CatalogDocument"];
                "application/yaml": string;
            };
        };
        responses: {
            /** @description What would change */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "version": 3,
                     *       "changes": [
                     *         {
                     *           "kind": "added",
                     *           "subject": "meter calls",
                     *           "detail": "eventType call, aggregation count"
                     *         }
                     *       ],
                     *       "starts": [],
                     *       "refusals": [],
                     *       "windows": [
                     *         {
                     *           "window": "15m",
                     *           "lineItems": "1h",
                     *           "meters": [
                     *             "calls"
                     *           ],
                     *           "serves": "every time zone"
                     *         }
                     *       ],
                     *       "customers": {
                     *         "lookedAt": 0,
                     *         "total": {
                     *           "currency": "USD",
                     *           "before": "0",
                     *           "after": "0",
                     *           "difference": "0",
                     *           "isComplete": true
                     *         },
                     *         "changed": [],
                     *         "nextCursor": null
                     *       },
                     *       "unpriced": {
                     *         "since": "2026-10-21T12:00:00Z",
                     *         "groups": [],
                     *         "isComplete": true
                     *       },
                     *       "overlaps": {
                     *         "inPlans": [],
                     *         "ofCustomers": [],
                     *         "isComplete": true
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["CatalogDiff"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    recountMeter: {
        parameters: {
            query?: never;
            header?: {
                /** @description Needed where the body has no id */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description The meter's slug */
                meter: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "id": "images-of-november",
                 *       "from": "2026-11-01T00:00:00Z"
                 *     }
                 */
                "application/json": components["schemas"]["RecountBody"];
            };
        };
        responses: {
            /** @description It is under way, or was before */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "images-of-november",
                     *       "meter": "images",
                     *       "catalogVersion": 4,
                     *       "from": "2026-11-01T00:00:00Z",
                     *       "to": null,
                     *       "state": "running",
                     *       "chunks": null,
                     *       "recounted": 0,
                     *       "requestedAt": "2026-11-20T10:00:00.412Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Recount"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            409: components["responses"]["Problem"];
            413: components["responses"]["Problem"];
            415: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    getRecount: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The recount, percent-encoded */
                id: components["schemas"]["AccountId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "images-of-november",
                     *       "meter": "images",
                     *       "catalogVersion": 4,
                     *       "from": "2026-11-01T00:00:00Z",
                     *       "to": null,
                     *       "state": "done",
                     *       "chunks": 5760,
                     *       "recounted": 5760,
                     *       "requestedAt": "2026-11-20T10:00:00.412Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Recount"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            404: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    listChanges: {
        parameters: {
            query?: {
                /** @description Only changes of objects of this kind */
                kind?: "customer" | "subject" | "subscription" | "key" | "catalog" | "recount";
                /** @description Only changes of the object with this id */
                id?: string;
                /** @description Only changes that this actor made, such as key:key_0aBcDeFgHiJk */
                actor?: string;
                /** @description Inclusive bound of when a change was made. From 1970 to 2106 */
                from?: string;
                /** @description Exclusive bound of when a change was made. From 1970 to 2106 */
                to?: string;
                /** @description Of each object only the newest change that was made by then: what it was. From 1970 to 2106 */
                asOf?: string;
                /** @description Changes in an answer */
                limit?: number;
                /** @description The nextCursor of the page before, with the same parameters */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "kind": "subject",
                     *           "id": "workspace_7",
                     *           "version": 1,
                     *           "actor": "key:key_0aBcDeFgHiJk",
                     *           "reason": null,
                     *           "at": "2026-11-20T10:00:00Z",
                     *           "before": null,
                     *           "after": {
                     *             "assignments": [
                     *               {
                     *                 "customer": "cus_42",
                     *                 "from": "2026-11-20T10:00:00Z"
                     *               }
                     *             ]
                     *           }
                     *         }
                     *       ],
                     *       "nextCursor": null
                     *     }
                     */
                    "application/json": components["schemas"]["Changes"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    readStatus: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The watermark, and for an operator's key each partition of the log */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "watermark": "2026-11-20T11:04:58.120Z",
                     *       "lagSeconds": 1.2,
                     *       "partitions": [
                     *         {
                     *           "partition": 0,
                     *           "nextOffset": 1042,
                     *           "logEndOffset": 1043,
                     *           "watermark": "2026-11-20T11:05:30.020Z"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Status"];
                };
            };
            400: components["responses"]["Problem"];
            401: components["responses"]["Problem"];
            403: components["responses"]["Problem"];
            429: components["responses"]["ProblemToRetry"];
            503: components["responses"]["ProblemToRetry"];
        };
    };
    readOpenApi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenAPI 3.1 */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
        };
    };
    readStatusPage: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page that asks for an API key and shows meters, usage and lag */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
        };
    };
    readHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Alive */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    readReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Ready */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Not ready */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    readMetrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description In Prometheus' text format */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
}
