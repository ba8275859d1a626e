// Deliberate bugs, each in one line of the real sources, by which the simulation is judged: one that no seed notices
// would show that it can't see bugs of that kind. They exist only in builds made for this; nothing in production knows
// of them.

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: lines of source that hold templates.

export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** One line of the file, without its indentation; there must be exactly one such line. */
  readonly find: string;
  readonly replace: string;
  /** What the bug is. */
  readonly description: string;
}

const BATCHER = 'ingest/batcher.ts';
const ADMISSION = 'ingest/core/admission.ts';
const FAST_ADMISSION = 'ingest/core/fast-admission.ts';
const LOOP = 'aggregator/partition-loop.ts';
const STATE = 'aggregator/core/partition-state.ts';
const TENANT_METERS = 'domain/metering/tenant-meters.ts';
const ROLL_UP = 'aggregator/core/roll-up.ts';
const TOTALS = 'aggregator/core/totals.ts';
const TOTAL_COLUMNS = 'aggregator/counting/fast/total-columns.ts';
const INDEX = 'aggregator/core/dedup-index.ts';
const TABLE = 'aggregator/core/key-table.ts';
const RUN = 'aggregator/core/key-run.ts';
const CHUNKS = 'aggregator/chunk-store.ts';
const STORED_ROWS = 'aggregator/stored-rows.ts';
const SEALS = 'aggregator/seal-store.ts';
const RECORDS = 'aggregator/record-reader.ts';
const RECOUNTS = 'aggregator/recounting/partition-recounts.ts';
const REVISIONS = 'aggregator/recounting/revision-store.ts';
const CORRECTIONS = 'domain/metering/corrections.ts';
const RUNS = 'domain/sealing/recount-runs.ts';
const VECTOR = 'domain/sealing/seal-vector.ts';
const RATING = 'rater/rating/rating-loop.ts';
const BATCH = 'rater/rating/rating-batch.ts';
const INTAKE = 'rater/rating/catalog-intake.ts';
const RATE = 'rater/core/rate.ts';
const TOUCHED = 'rater/store/touched-usage.ts';
const TENANT_VERSIONS = 'domain/catalog/tenant-versions.ts';
const RATING_CATALOG = 'domain/rating/rating-catalog.ts';
const METER_SPANS = 'domain/rating/meter-spans.ts';
const COUNTED_USAGE = 'platform/charges/counted-usage.ts';
const SCANNER = 'aggregator/counting/fast/data-scanner.ts';
const SPAN = 'domain/billing/item-span.ts';
const TARGETS = 'domain/rating/period-targets.ts';
const TERM_USAGE = 'domain/rating/term-usage.ts';
const TERM_ITEMS = 'rater/core/term-items.ts';
const FEES = 'domain/terms/fees.ts';
const LINES = 'domain/terms/price-lines.ts';
const HOLDERS = 'domain/terms/plan-holders.ts';
const CATALOG = 'domain/terms/catalog-history.ts';
const TERM_AMOUNTS = 'domain/terms/term-amounts.ts';
const TAKEN = 'domain/pricing/taken-usage.ts';
const HELD_SHARE = 'domain/rating/held-share.ts';
const ACROSS = 'domain/aggregation/across.ts';
const PERIOD_VALUE = 'domain/aggregation/period-value.ts';
const AGGREGATIONS = 'domain/aggregation/aggregations.ts';
const AROUND = 'domain/pricing/around/charge.ts';
const CELLS = 'domain/pricing/matrix-cells.ts';
const PARTS = 'domain/pricing/parts.ts';
const ALLOWANCES = 'domain/terms/allowances.ts';
const LEFT_GROUPS = 'domain/rating/unpriced-usage.ts';
const UNPRICED = 'rater/rating/unpriced-count.ts';
const RECORD_RULES = 'domain/terms/record-rules.ts';
/** What a stage does that is not run here: the model of it, in the order of its statements. */
const ACCOUNT_MODEL = 'test/simulation/stores/account-model.ts';
const SHARD_MODEL = 'test/simulation/stores/shard-model.ts';

export const mutants: readonly Mutant[] = [
  {
    name: 'ack-before-append',
    file: BATCHER,
    find: 'await log.append(partition, [batch.record.record()]);',
    replace: 'void log.append(partition, [batch.record.record()]).catch(() => {});',
    description: 'A request is acknowledged before the log has its events',
  },
  {
    name: 'ack-when-a-batch-failed',
    file: BATCHER,
    find: 'ticket.batchesLeft = Number.POSITIVE_INFINITY;',
    replace: 'if (--ticket.batchesLeft === 0) ticket.resolve();',
    description: 'A request is acknowledged although the batch of one partition failed',
  },
  {
    name: 'ack-on-first-batch',
    file: BATCHER,
    find: 'for (const ticket of batch.tickets) if (--ticket.batchesLeft === 0) ticket.resolve();',
    replace: 'for (const ticket of batch.tickets) ticket.resolve();',
    description: 'A request is acknowledged once the first of its partitions has its events',
  },
  {
    name: 'ack-on-timeout',
    file: BATCHER,
    find: 'this.fail(batch, new AppendFailed(`the event log did not acknowledge within ${this.limits.appendTimeoutMs} ms`));',
    replace: 'for (const ticket of batch.tickets) ticket.resolve();',
    description: 'A request that waited too long for the log is acknowledged',
  },
  {
    name: 'copies-in-any-partition',
    file: BATCHER,
    find: 'const partition = partitionOf(event.dedupKey, this.queues.length);',
    replace: 'const partition = this.queuedEvents % this.queues.length;',
    description: 'Two copies of an event may go to two partitions',
  },
  {
    name: 'key-without-tenant',
    file: 'domain/usage-event.ts',
    find: "const digest = hash('sha256', `${tenant.length}:${tenant}${source.length}:${source}${id}`, 'binary');",
    replace: "const digest = hash('sha256', `${source.length}:${source}${id}${''.slice(tenant.length)}`, 'binary');",
    description: 'Equal ids of two tenants are one event',
  },
  {
    name: 'key-without-source',
    file: 'domain/usage-event.ts',
    find: "const digest = hash('sha256', `${tenant.length}:${tenant}${source.length}:${source}${id}`, 'binary');",
    replace: "const digest = hash('sha256', `${tenant.length}:${tenant}${id}${''.slice(source.length)}`, 'binary');",
    description: 'Equal ids of two sources are one event',
  },
  {
    name: 'hash-of-gateway-time',
    file: ADMISSION,
    find: 'payloadHash: payloadHashOf(type as string, subject as string, timeGiven ? eventTime : null, texts.canonical),',
    replace: 'payloadHash: payloadHashOf(type as string, subject as string, eventTime, texts.canonical),',
    description: 'The time at which an event arrived is part of what it says: a retry is a conflict',
  },
  {
    name: 'hash-of-text',
    file: ADMISSION,
    find: 'payloadHash: payloadHashOf(type as string, subject as string, timeGiven ? eventTime : null, texts.canonical),',
    replace: 'payloadHash: payloadHashOf(type as string, subject as string, timeGiven ? eventTime : null, texts.text),',
    description: 'A retry that writes its keys in another order is a conflict',
  },
  {
    name: 'fast-hash-of-text',
    file: FAST_ADMISSION,
    find: 'payloadHash: payloadHashOf(type, subject, timeGiven ? eventTime : null, this.canonical()),',
    replace: 'payloadHash: payloadHashOf(type, subject, timeGiven ? eventTime : null, this.dataText()),',
    description: 'The same, where the gateway admits an event from its bytes',
  },
  {
    name: 'hash-without-data',
    file: ADMISSION,
    find: 'payloadHash: payloadHashOf(type as string, subject as string, timeGiven ? eventTime : null, texts.canonical),',
    replace: "payloadHash: payloadHashOf(type as string, subject as string, timeGiven ? eventTime : null, '{}'),",
    description: 'Another payload under a known id is taken for a copy',
  },
  {
    name: 'skip-read-back',
    file: LOOP,
    find: "const stored = await this.retrying('reading the chunk back', () => this.parts.chunks.readBack(decided));",
    replace: "const stored = await this.retrying('reading the chunk back', () => Promise.resolve(decided));",
    description: 'A chunk is sealed without its rows being read back',
  },
  {
    name: 'ignore-read-back',
    file: LOOP,
    find: 'if (equal(decided[table], stored[table])) continue;',
    replace: 'if (decided[table].count >= 0) continue;',
    description: 'A chunk is sealed whatever is stored of it',
  },
  {
    name: 'compare-counts-only',
    file: LOOP,
    find: 'const equal = (a: RowSet, b: RowSet): boolean => a.count === b.count && a.checksum === b.checksum;',
    replace: 'const equal = (a: RowSet, b: RowSet): boolean => a.count === b.count;',
    description: 'A chunk is sealed when as many rows are stored, whatever they hold',
  },
  {
    name: 'wall-clock-in-seal',
    file: LOOP,
    find: 'partitionTime: state.partitionTime!,',
    replace: 'partitionTime: this.parts.clock(),',
    description: 'The partition time of a seal is the time at which it is made',
  },
  {
    name: 'no-clock-check',
    file: LOOP,
    find: 'if (aheadMs > this.parts.clockLeapMaxMs) {',
    replace: 'if (aheadMs > Number.MAX_SAFE_INTEGER) {',
    description: "A broker's clock that has leapt ahead closes windows",
  },
  {
    name: 'seal-up-to-what-was-read',
    file: LOOP,
    find: 'this.endChunk(ownership, record.offset);',
    replace: 'this.endChunk(ownership, ownership.state.chunk.nextOffset);',
    description: 'A chunk ends behind its last record, not before the record that ends it',
  },
  {
    name: 'chunk-starts-late',
    file: LOOP,
    find: 'state.startChunk(endOffset);',
    replace: 'state.startChunk(endOffset + 1);',
    description: 'The record that ends a chunk is in none',
  },
  {
    name: 'go-on-after-loss',
    file: LOOP,
    find: 'return signal.aborted ? undefined : this.acquire();',
    replace: 'return signal.aborted ? undefined : this.acquire().then(() => undefined);',
    description: 'After a chunk was given up, reading goes on behind it instead of at its start',
  },
  {
    name: 'replay-from-next-record',
    file: LOOP,
    find: 'return acquired.nextOffset;',
    replace: 'return acquired.nextOffset + 1;',
    description: 'A new owner begins behind the first record of the open chunk',
  },
  {
    name: 'index-forgets-early',
    file: LOOP,
    find: 'const keysLiveMs = rules.horizonMs + EVENT_TIME_AHEAD_MAX_MS + 1000;',
    replace: 'const keysLiveMs = rules.horizonMs / 2;',
    description: 'A new owner rebuilds the index from half of the horizon',
  },
  {
    name: 'index-forgets-all',
    file: LOOP,
    find: 'index.table.addWords(key0, key1, key2, key3, hashLow, hashHigh, liveUntil, deadBeforeSeconds),',
    replace:
      'liveUntil < 0 && index.table.addWords(key0, key1, key2, key3, hashLow, hashHigh, liveUntil, deadBeforeSeconds),',
    description: 'A new owner knows no key of sealed chunks',
  },
  {
    name: 'index-by-own-clock',
    file: LOOP,
    find: 'add: ({ key0, key1, key2, key3, hashLow, hashHigh, liveUntil }) =>',
    replace:
      'add: ({ key0, key1, key2, key3, hashLow, hashHigh, liveUntil }) => liveUntil < this.parts.clock() - this.parts.rules.horizonMs / 2 ||',
    description: "A new owner leaves out keys that are old by its machine's clock",
  },
  {
    name: 'meters-of-version-0',
    file: LOOP,
    find: "const meters = await this.retrying('reading the catalog', () => parts.catalogs.meters(acquired.catalogVersion));",
    replace: "const meters = await this.retrying('reading the catalog', () => parts.catalogs.meters(0));",
    description: 'A new owner counts by no catalog until one changes',
  },
  {
    name: 'version-without-epoch',
    file: LOOP,
    find: 'version: epoch * 2n ** 40n + BigInt(chunk.nextOffset - chunk.startOffset),',
    replace: 'version: BigInt(chunk.nextOffset - chunk.startOffset),',
    description: "A former owner's roll-ups hide those of the new one",
  },
  {
    name: 'version-without-progress',
    file: LOOP,
    find: 'version: epoch * 2n ** 40n + BigInt(chunk.nextOffset - chunk.startOffset),',
    replace: 'version: epoch * 2n ** 40n,',
    description: 'An earlier flush that arrives late replaces a later one',
  },
  {
    name: 'one-epoch-for-all',
    file: LOOP,
    find: 'const at = this.coordinates(ownership);',
    replace: 'const at = { ...this.coordinates(ownership), epoch: 1n };',
    description: 'Rows are written under the same epoch by every owner',
  },
  {
    name: 'no-final-for-index',
    file: CHUNKS,
    find: 'FROM usage_events FINAL',
    replace: 'FROM usage_events',
    description: 'The index is rebuilt from every version of every row',
  },
  {
    name: 'oldest-in-read-back',
    file: STORED_ROWS,
    find: 'SELECT partition, chunk, epoch, argMax(row_hash, version) AS row_hash FROM ${table}',
    replace: 'SELECT partition, chunk, epoch, argMin(row_hash, version) AS row_hash FROM ${table}',
    description: 'Roll-ups and totals are read back as they were first written',
  },
  {
    name: 'index-beyond-seals',
    file: CHUNKS,
    find: '{ generation: this.generation, partition, from: seals[0]!.startOffset, to: seals.at(-1)!.endOffset },',
    replace:
      '{ generation: this.generation, partition, from: seals[0]!.startOffset, to: seals.at(-1)!.endOffset + 64 },',
    description: 'The index is rebuilt with events of the open chunk, which will come again',
  },
  {
    name: 'unchecked-index',
    file: CHUNKS,
    find: 'if (count !== events.count || checksum !== events.checksum) {',
    replace: 'if (count > events.count) {',
    description: 'A replica that lags makes the index forget keys',
  },
  {
    name: 'manifest-only',
    file: CHUNKS,
    find: 'const rows = bodies.filter((body) => body.length > 0);',
    replace: 'const rows = bodies.filter((body) => body.length > 0).slice(0, 1);',
    description: 'Of flushes that are written together only the first one is',
  },
  {
    name: 'memory-of-given-up-insert',
    file: CHUNKS,
    find: 'if (this.givenUp.has(bodies)) continue;',
    replace: '',
    description: 'The memory of rows is used again while an insert that was given up may still be sent from it',
  },
  {
    name: 'epoch-not-checked',
    file: SEALS,
    find: 'if (before === null || before.epoch !== epoch) throw new PartitionLost(partition, epoch);',
    replace: 'if (before === null) throw new PartitionLost(partition, epoch);',
    description: 'An owner that was replaced can still seal',
  },
  {
    name: 'progress-without-watermark',
    file: SEALS,
    find: 'partitionTime: seal.partitionTime,',
    replace: 'partitionTime: before.partitionTime,',
    description: 'T does not go on with the seal',
  },
  {
    name: 'progress-without-catalog',
    file: SEALS,
    find: 'catalogVersion: seal.catalogVersion,',
    replace: 'catalogVersion: before.catalogVersion,',
    description: 'The catalog version does not go on with the seal',
  },
  {
    name: 'first-rule-set',
    file: SEALS,
    find: 'return { ...progress, sealed, ruleSet: last === null ? this.firstRuleSet : last.nextRuleSet };',
    replace: 'return { ...progress, sealed, ruleSet: this.firstRuleSet };',
    description: 'A new owner counts by the first rule set until a tick asks for a later one',
  },
  {
    name: 'rule-set-unsealed',
    file: LOOP,
    find: 'nextRuleSet: chunk.nextRuleSet,',
    replace: 'nextRuleSet: chunk.ruleSet,',
    description: 'The rule set that was asked for does not go on with the seal',
  },
  {
    name: 'rule-set-at-once',
    file: STATE,
    find: 'chunk.nextRuleSet = Math.max(chunk.nextRuleSet, input.ruleSet);',
    replace:
      'chunk.nextRuleSet = Math.max(chunk.nextRuleSet, input.ruleSet); this.ruleSet = ruleSet(chunk.nextRuleSet);',
    description: 'A rule set takes effect within a chunk that is sealed as read by another',
  },
  {
    name: 'seal-twice',
    file: SEALS,
    find: 'nextChunk: chunk + 1,',
    replace: 'nextChunk: chunk,',
    description: 'The next chunk has the number of the one before',
  },
  {
    name: 'reopen-keeps-watermark',
    file: SEALS,
    find: 'partitionTime: before?.partitionTime ?? null,',
    replace: 'partitionTime: progress.partitionTime,',
    description: 'A reopened chunk is replayed with the T of its end',
  },
  {
    name: 'reopen-keeps-catalog',
    file: SEALS,
    find: 'catalogVersion: before?.catalogVersion ?? 0,',
    replace: 'catalogVersion: progress.catalogVersion,',
    description: 'A reopened chunk is replayed by the catalog of its end',
  },
  {
    name: 'newest-catalog',
    file: RECORDS,
    find: 'const meters = version > catalogVersion ? await this.catalogs.meters(version) : null;',
    replace:
      'const meters = version > catalogVersion ? await this.catalogs.meters(version + 1).catch(() => this.catalogs.meters(version)) : null;',
    description: 'The catalog is the newest that is stored, not the one that the log names',
  },
  {
    name: 'cut-by-records-read',
    file: STATE,
    find: 'if (offset >= chunk.startOffset + rules.chunkOffsets) return true;',
    replace: 'if (chunk.nextOffset >= chunk.startOffset + rules.chunkOffsets) return true;',
    description: 'A chunk is as many records long as were read: gaps between offsets move its end',
  },
  {
    name: 'cut-by-flush',
    file: STATE,
    find: 'if (offset >= chunk.startOffset + rules.chunkOffsets) return true;',
    replace: 'if (offset >= chunk.startOffset + rules.chunkOffsets || this.decisions.events.size > 20) return true;',
    description: 'A chunk ends when much waits for a flush, so where depends on when the owner flushed',
  },
  {
    name: 'append-time-is-the-clock',
    file: STATE,
    find: 'const now = Math.max(this.partitionTime ?? 0, input.appendTime);',
    replace: 'const now = input.appendTime;',
    description: "T steps back with the broker's clock",
  },
  {
    name: 'slot-of-append-time',
    file: STATE,
    find: 'return Math.floor(Math.max(partitionTime, appendTime) / rules.slotMs) !== Math.floor(partitionTime / rules.slotMs);',
    replace: 'return Math.floor(appendTime / rules.slotMs) !== Math.floor(partitionTime / rules.slotMs);',
    description: "A step back of the broker's clock ends a chunk",
  },
  {
    name: 'older-catalog-wins',
    file: STATE,
    find: 'this.catalogVersion = from.catalogVersion;',
    replace: 'this.catalogVersion = 0;',
    description: 'A new owner lets an older catalog replace a newer one',
  },
  {
    name: 'too-late-before-duplicate',
    file: STATE,
    find: 'const found = this.index.look(event.dedupKey, event.payloadHash, deadBeforeSeconds);',
    replace:
      "const found = event.eventTime < horizonStart ? 'new' : this.index.look(event.dedupKey, event.payloadHash, deadBeforeSeconds);",
    description: 'An old event is too late even where its key still lives',
  },
  {
    name: 'late-events-count',
    file: STATE,
    find: 'if (event.eventTime < horizonStart) {',
    replace: 'if (event.eventTime < 0) {',
    description: 'An event is counted although a copy of it may have been forgotten',
  },
  {
    name: 'key-dies-with-event-time',
    file: STATE,
    find: 'this.index.add(event.dedupKey, event.payloadHash, Math.max(now, event.eventTime), deadBeforeSeconds);',
    replace: 'this.index.add(event.dedupKey, event.payloadHash, event.eventTime, deadBeforeSeconds);',
    description: 'The key of an event that came late dies early',
  },
  {
    name: 'rejects-are-remembered',
    file: STATE,
    find: 'this.count(event.tenant, outcome);',
    replace: 'this.count(event.tenant, outcome); this.index.add(event.dedupKey, event.payloadHash, now, 0);',
    description: 'An event that was not counted makes its later copy a duplicate',
  },
  {
    name: 'keys-live-for-ever',
    file: TABLE,
    find: "if (liveUntil < deadBeforeSeconds) return 'new';",
    replace: "if (liveUntil === 0) return 'new';",
    description: 'How long a key is remembered depends on how long its owner has run',
  },
  {
    name: 'conflict-is-duplicate',
    file: TABLE,
    find: "return slots[at + HASH] === low && slots[at + HASH + 1] === high ? 'duplicate' : 'conflict';",
    replace: "return slots[at + HASH] === low || slots[at + HASH + 1] !== high ? 'duplicate' : 'conflict';",
    description: 'Another payload under a known key is dropped in silence',
  },
  {
    name: 'files-are-not-looked-at',
    file: INDEX,
    find: "for (let i = 0; found === 'new' && i < runs.length; i++) {",
    replace: "for (let i = 1; found === 'new' && i < runs.length; i++) {",
    description: 'A key that went to the newest file is forgotten',
  },
  {
    name: 'not-looked-at-while-written',
    file: INDEX,
    find: 'if (unwritten !== null) found = unwritten.lookWords(k0, k1, k2, k3, low, high, deadBeforeSeconds);',
    replace:
      'if (unwritten !== null && this.writing === null) found = unwritten.lookWords(k0, k1, k2, k3, low, high, deadBeforeSeconds);',
    description: 'A key is forgotten while it is being written to a file',
  },
  {
    name: 'forgotten-when-the-disk-is-full',
    file: INDEX,
    find: 'if (this.unwritten !== null) {',
    replace: 'if (this.writing !== null) {',
    description: 'Keys that could not be written to a file are given up for the next ones',
  },
  {
    name: 'merged-runs-are-lost',
    file: INDEX,
    find: 'const cursors = [table, ...merged].map((part) => part.cursor());',
    replace: 'const cursors = [table].map((part) => part.cursor());',
    description: 'Files are merged into one that has only the newest keys',
  },
  {
    name: 'dead-keys-in-files-live',
    file: RUN,
    find: "if (!isLive(entry, 0, deadBeforeSeconds)) return 'new';",
    replace: '',
    description: 'A key lives on if it went to a file',
  },
  {
    name: 'bucket-without-its-last-key',
    file: RUN,
    find: 'const end = starts[bucket + 1]!;',
    replace: 'const end = Math.max(starts[bucket]! + 1, starts[bucket + 1]! - 1);',
    description: 'The last key of a full bucket is not found',
  },
  {
    name: 'roll-up-without-tenant',
    file: ROLL_UP,
    find: 'let key = `${meter.slug.length}:${meter.slug}${event.tenant.length}:${event.tenant}${windowStart}:`;',
    replace: 'let key = `${meter.slug.length}:${meter.slug}${windowStart}:`;',
    description: 'Usage of a subject that two tenants have is counted to one of them',
  },
  {
    name: 'total-without-first-events',
    file: ROLL_UP,
    find: 'if (rules.isSum) this.totals.add({ tenant: event.tenant, meter, windowStart }, groupValues, reading.quantity);',
    replace:
      'if (rules.isSum && row.eventCount > 1) this.totals.add({ tenant: event.tenant, meter, windowStart }, groupValues, reading.quantity);',
    description: 'The first event of each roll-up is left out of the totals',
  },
  {
    name: 'total-of-all-tenants',
    file: TOTALS,
    find: 'const windowKey = ({ tenant, meter, windowStart }: TotalPlace): string => keyText(tenant, meter.slug, windowStart);',
    replace: 'const windowKey = ({ meter, windowStart }: TotalPlace): string => keyText(meter.slug, windowStart);',
    description: 'Usage of two tenants goes into the total of one of them',
  },
  {
    name: 'total-by-subject',
    file: TOTAL_COLUMNS,
    find: 'const own = columns.cell(rollUps.tenant(rollUp), NO_SUBJECT, group, family, rollUps.minute(rollUp));',
    replace:
      'const own = columns.cell(rollUps.tenant(rollUp), rollUps.subject(rollUp), group, family, rollUps.minute(rollUp));',
    description: 'A total is of one subject, and replaces those of the others',
  },
  {
    name: 'totals-not-read-back',
    file: LOOP,
    find: "for (const table of ['events', 'rollUps', 'totals', 'rejects'] as const) {",
    replace: "for (const table of ['events', 'rollUps', 'rejects'] as const) {",
    description: 'A chunk is sealed although its totals are not stored',
  },
  {
    name: 'latest-by-arrival',
    file: 'domain/aggregation/latest.ts',
    find: 'if (isAfter(order, state.latest!)) {',
    replace: 'if (order.place[0]! >= state.latest!.place[0]!) {',
    description: 'The latest value is the one that came last',
  },
  {
    name: 'rows-stay-clean',
    file: ROLL_UP,
    find: 'for (const row of taken) row.isDirty = false;',
    replace: '',
    description: 'A roll-up that was flushed once is not flushed again',
  },
  {
    name: 'rate-without-lock',
    file: BATCH,
    find: 'const locked = await transaction.lockBillingPeriods(work);',
    replace: 'const locked = await store.readBillingPeriods(work);',
    description: 'Two raters may write the same adjustment',
  },
  {
    name: 'rate-what-has-moved',
    file: BATCH,
    find: "if (!isUnmoved(stored, locked, basis)) return { outcome: 'behind' };",
    replace: '',
    description: 'A rater writes by what it read before another one did',
  },
  {
    name: 'ownership-before-the-lock',
    file: BATCH,
    find: 'const moved = work.filter((each) => isChanged(each) || hasOtherSubjects(each, ownership));',
    replace: 'const moved = work.filter((each) => isChanged(each));',
    description: 'Whose a subject is counts as it was before the customers were locked',
  },
  {
    name: 'moved-windows-passed-over',
    file: RATING,
    find: 'work = moved;',
    replace: 'work = nothingTouched();',
    description: 'The progress passes over windows of a subject that moved while the step ran',
  },
  {
    name: 'across-ignored',
    file: 'domain/rating/contributions.ts',
    find: 'total = valueAcross(across, values.values());',
    replace: "total = valueAcross('sum', values.values());",
    description: 'The subjects of a customer are always added up',
  },
  {
    name: 'one-subject-for-all',
    file: TERM_USAGE,
    find: "const isBySubject = ({ price }: UsageTerm): boolean => price.per === 'subject';",
    replace: "const isBySubject = ({ price }: UsageTerm): boolean => price.per === 'subject' && price.meter === '';",
    description: 'A price for each subject is charged for all of them together',
  },
  {
    name: 'vector-not-checked',
    file: 'rater/core/rating-basis.ts',
    find: 'covers(basis.seals.vector, period.sealVector) &&',
    replace: '',
    description: 'A period is rated by fewer chunks than before',
  },
  {
    name: 'seals-beyond-vector',
    file: COUNTED_USAGE,
    find: 'const selection = { meter, from, to, taken: taken.map((each) => takenGroups(meter, each)), sealed: basis.seals };',
    replace: 'const selection = { meter, from, to, taken: taken.map((each) => takenGroups(meter, each)) };',
    description: 'Usage of open chunks is billed',
  },
  {
    name: 'trust-another-server',
    file: BATCH,
    find: 'if (!(await verifier.isSameServer())) return false;',
    replace: '',
    description: 'Chunks that were compared before ClickHouse was started anew are taken to be there still',
  },
  {
    name: 'seals-taken-back-unnoticed',
    file: BATCH,
    find: 'return holdsAllSealsOf(await store.readSeals(), seals);',
    replace: 'return true;',
    description: 'Usage that was read while a chunk was being repaired is billed',
  },
  {
    name: 'found-among-lost-rows',
    file: RATING,
    find: "if (!(await isStillThere(store, this.verifier, seals))) return 'behind';",
    replace: '',
    description: 'Who has usage is looked for in rows that are no longer those that were compared',
  },
  {
    name: 'closing-windows-unverified',
    file: RATING,
    find: 'if (older.length > 0) return this.mismatch(older);',
    replace: '',
    description: 'Who has usage in a window that closes is looked for in chunks that were not compared',
  },
  {
    name: 'unverified-chunks',
    file: RATING,
    find: 'if (mismatches.length > 0) return this.mismatch(mismatches);',
    replace: '',
    description: 'Usage is billed although ClickHouse does not hold what was sealed',
  },
  {
    name: 'closed-before-lateness',
    file: RATING,
    find: 'const closedUpTo = Math.max(watermark - this.parts.allowedLatenessMs, ...closed);',
    replace: 'const closedUpTo = Math.max(watermark, ...closed);',
    description: 'Windows are closed without waiting for late events',
  },
  {
    name: 'advance-without-rating',
    file: RATING,
    find: "if (result.outcome !== 'rated') return [result];",
    replace: "if (result.outcome === 'mismatch') return [result]; if (result.outcome === 'behind') continue;",
    description: 'The progress passes over customers that were not rated',
  },
  {
    name: 'open-windows-rated',
    file: SPAN,
    find: 'return windowStartOf(closedUpTo, itemWidthMs(meter));',
    replace: 'return closedUpTo + 1 - 0 * itemWidthMs(meter);',
    description: 'A window is billed as soon as it has begun',
  },
  {
    name: 'closes-with-its-windows',
    file: SPAN,
    find: 'return windowStartOf(closedUpTo, itemWidthMs(meter));',
    replace: 'return windowStartOf(closedUpTo, windowSizeMs[meter.window]);',
    description: 'A line item of several windows is billed when the first of them is closed',
  },
  {
    name: 'item-past-its-period',
    file: SPAN,
    find: 'windowEnd: Math.min(start + widthMs, windowStartFrom(to, windowMs)),',
    replace: 'windowEnd: start + widthMs,',
    description: 'A line item covers time of the next term',
  },
  {
    name: 'read-from-inside-an-item',
    file: SPAN,
    find: 'Math.max(earliest, Math.min(time, ...widerThanWindows(meters).map((widthMs) => windowStartOf(time, widthMs))));',
    replace: 'Math.max(earliest, time + 0 * widerThanWindows(meters).length);',
    description: 'A line item is compared as part of a sum although some of its windows got usage',
  },
  {
    name: 'items-over-a-period-bound',
    file: COUNTED_USAGE,
    find: 'const stepMs = cutsItems ? windowMs : widthMs;',
    replace: 'const stepMs = widthMs;',
    description: 'Windows on both sides of a bound of terms are read as one, and billed in one of them',
  },
  {
    name: 'late-usage-forgotten',
    file: TOUCHED,
    find: 'if (grown.length > 0) yield { spans: closed, chunks: grown };',
    replace: '',
    description: 'Usage that comes after its window was billed is never billed',
  },
  {
    name: 'first-new-chunk-forgotten',
    file: TOUCHED,
    find: 'fromChunk: nextChunkOf(from.sealVector, generation, partition),',
    replace: 'fromChunk: nextChunkOf(from.sealVector, generation, partition) + 1,',
    description: 'Late usage in the first chunk after the last step is never billed',
  },
  {
    name: 'price-of-delta',
    file: RATE,
    find: 'cumulativeQuantity += quantity;',
    replace: 'cumulativeQuantity = quantity;',
    description: 'A window is priced by itself, not by what it adds to the period',
  },
  {
    name: 'revision-reused',
    file: RATE,
    find: 'revision: before === undefined ? 0 : before.revision + 1,',
    replace: 'revision: before === undefined ? 0 : before.revision,',
    description: 'An adjustment has the key of the line item that it adjusts',
  },
  {
    name: 'records-before-the-lock',
    file: BATCH,
    find: 'const moved = work.filter((each) => isChanged(each) || hasOtherSubjects(each, ownership));',
    replace: 'const moved = work.filter((each) => isChanged(each) && hasOtherSubjects(each, ownership));',
    description: 'What a customer has subscribed to counts as it was before the customer was locked',
  },
  {
    name: 'next-due-dropped',
    file: BATCH,
    find: 'await transaction.saveDue(next);',
    replace: 'await transaction.saveDue(next.map((each) => ({ ...each, dueAt: null })));',
    description: 'A customer that was rated is not due again',
  },
  {
    name: 'due-by-older-catalog',
    file: BATCH,
    find: 'if ((await transaction.readPublishedVersion()) !== catalogs.version) throw new Behind();',
    replace: '',
    description: 'Who is due by a version that was published meanwhile is overwritten',
  },
  {
    name: 'default-fees-with-usage-alone',
    file: BATCH,
    find: 'await transaction.markDue(payers);',
    replace: '',
    description: 'Fees of the default plan do not come due by themselves',
  },
  {
    name: 'older-catalog-rates',
    file: 'rater/core/rating-basis.ts',
    find: 'period.catalogVersion <= basis.catalogs.version &&',
    replace: '',
    description: 'A rater that has not seen a version rates what was rated by it',
  },
  {
    name: 'version-marks-other-tenants',
    file: INTAKE,
    find: 'do after = await store.markHoldersDue({ plan, tenants }, shards, dueAt, { after, customersMax });',
    replace:
      'do after = await store.markHoldersDue({ plan, tenants: { except: [] } }, dueAt, { after, customersMax });',
    description: 'A version of one tenant’s catalog makes the customers of all due',
  },
  {
    name: 'own-version-marks-nobody',
    file: TENANT_VERSIONS,
    find: 'return [...own, ...defaults].sort((a, b) => a.version.version - b.version.version);',
    replace: 'return defaults;',
    description: 'Nobody is due by a new version of a tenant’s own catalog',
  },
  {
    name: 'closes-as-the-default',
    file: METER_SPANS,
    find: 'for (const [tenant, catalog] of own) {',
    replace: 'for (const [tenant, catalog] of [...own].slice(0, 0)) {',
    description: 'Windows of every tenant close as those of the default do',
  },
  {
    name: 'rates-by-the-default',
    file: RATING_CATALOG,
    find: 'return this.own.size === 0 ? this.default : (this.own.get(tenant) ?? this.default);',
    replace: 'return this.default;',
    description: 'A tenant with a catalog of its own is rated by the default',
  },
  {
    name: 'slug-read-as-another-tenants',
    file: COUNTED_USAGE,
    find: 'readingText(meter),',
    replace: 'meter.slug,',
    description: 'Usage of two tenants’ meters of one slug is read as one of them says',
  },
  {
    name: 'version-marks-nobody',
    file: RATING,
    find: 'await markConcerned(store, shards, this.catalogs, version, watermark, markedCustomersMax);',
    replace: '',
    description: 'Nobody is due by a new version of the catalog',
  },
  {
    name: 'version-known-late',
    file: INTAKE,
    find: 'const dueAt = Math.min(effectiveAt, watermark);',
    replace: 'const dueAt = effectiveAt;',
    description: 'A version that is made before its time is looked at when it holds',
  },
  {
    name: 'version-marks-a-page',
    file: INTAKE,
    find: 'while (after !== null);',
    replace: 'while (after !== after);',
    description: 'Of those whom a version concerns the first page is due',
  },
  {
    name: 'version-passes-payers-over',
    file: INTAKE,
    find: 'return isOfDefault ? [...plans, null] : plans;',
    replace: 'return plans;',
    description: 'A version of the default plan does not concern who is billed by it',
  },
  {
    name: 'version-marks-new-plans-alone',
    file: CATALOG,
    find: 'for (const plan of [was?.plan, is?.plan])',
    replace: 'for (const plan of was === undefined ? [is?.plan] : [])',
    description:
      'A version concerns those whose plan gets another price, and not those of whose price it says something else',
  },
  {
    name: 'closed-windows-stay-unpriced',
    file: TOUCHED,
    find: 'if (closed !== null) closed = Math.min(closed, known ?? effectiveAt);',
    replace: '',
    description: 'Windows that closed before a rater met a version are not priced by it',
  },
  {
    name: 'gone-terms-stay',
    file: TERM_ITEMS,
    find: 'if (isNothing(term) || standing.some(({ of }) => isSameTerm(of, term))) continue;',
    replace: 'if (standing.length >= 0 || isNothing(term)) continue;',
    description: 'What was written for a term that is no more stays',
  },
  {
    name: 'sums-before-not-compared',
    file: TERM_ITEMS,
    find: 'if (used === billed) return;',
    replace: 'if (used === billed || used !== billed) return;',
    description: 'What lies before the first touched window is not compared',
  },
  {
    name: 'gone-periods-not-looked-at',
    file: TARGETS,
    find: 'for (const { periodStart, periodEnd } of this.stored) if (periodEnd > from) this.at(periodStart);',
    replace: '',
    description: 'A period that is no more is not looked at',
  },
  {
    name: 'fee-at-its-start-alone',
    file: FEES,
    find: 'for (const stretch of last.stretches) terms.charge(stretch, of.period, isKept(stretch));',
    replace: 'for (const stretch of last.stretches.slice(0, 1)) terms.charge(stretch, of.period, isKept(stretch));',
    description: "A period's fee is that of its first stretch",
  },
  {
    name: 'fees-know-the-future',
    file: FEES,
    find: 'const known = this.views.get(last) ?? (isAll ? this.all : CustomerTerms.until(this.records, instant));',
    replace: 'const known = this.views.get(last) ?? (isAll ? this.all : new CustomerTerms(this.records));',
    description: 'A fee counts a change before its time',
  },
  {
    name: 'arrears-in-advance',
    file: FEES,
    find: 'const dueAt = isInAdvance({ segment } as FeeStretch) ? from : Math.min(period.end, end);',
    replace: 'const dueAt = isInAdvance({ segment } as FeeStretch) || end > 0 ? from : Math.min(period.end, end);',
    description: 'A fee in arrears is charged where it begins',
  },
  {
    name: 'fees-that-are-over-forgotten',
    file: FEES,
    find: 'let instant = Math.max(segment.from, Math.min(from, segment.to - 1));',
    replace: 'let instant = Math.max(segment.from, from);',
    description: 'A fee that is over in a period that goes on is not looked at',
  },
  {
    name: 'window-by-its-end',
    file: HOLDERS,
    find: 'history.stateAt(takesBegunWindow && isWithin(billedFrom, windowStart, windowMs) ? billedFrom : windowStart);',
    replace: 'history.stateAt(windowStart + windowMs - 1);',
    description: 'A window is priced by what holds at its end',
  },
  {
    name: 'begun-window-by-none',
    file: HOLDERS,
    find: 'history.stateAt(takesBegunWindow && isWithin(billedFrom, windowStart, windowMs) ? billedFrom : windowStart);',
    replace: 'history.stateAt(windowStart);',
    description: 'The window that had begun is not the first subscription’s',
  },
  {
    name: 'no-successor',
    file: LINES,
    find: 'const joined = candidates[0]?.line ?? newLine(known, holder);',
    replace: 'const joined = candidates.length < 0 ? candidates[0]!.line : newLine(known, holder);',
    description: 'Who cancels and comes back has an allowance twice',
  },
  {
    name: 'length-changes-at-once',
    file: LINES,
    find: 'if (last === undefined || last.to !== segment.from || countsTheSame(last, segment)) {',
    replace: 'if (last === undefined || last.to <= segment.from || countsTheSame(last, segment)) {',
    description: 'A price of another length begins in the middle of a period',
  },
  {
    name: 'versions-touch-every-price',
    file: CATALOG,
    find: 'if (sameDefinition(was?.value ?? null, value)) continue;',
    replace: 'if (was === undefined && value === null) continue;',
    description: 'A version moves the scheduled changes of prices that it leaves alone',
  },
  {
    name: 'next-period-at-once',
    file: CATALOG,
    find: "appliesTo === 'running' ? at : nextStart(at, (before ?? value)!),",
    replace: "appliesTo === 'running' ? at : Math.min(at, nextStart(at, (before ?? value)!)),",
    description: 'A version for the next periods holds in those that run',
  },
  {
    name: 'carried-from-nothing',
    file: TERM_AMOUNTS,
    find: 'return charge(term, own, (full) => (cumulative) => full(paid.plus(cumulative)).minus(full(paid)));',
    replace: 'return charge(term, own, (full) => (cumulative) => full(cumulative).plus(full(paid)).minus(full(paid)));',
    description: 'A term begins with the first tier again',
  },
  {
    name: 'given-back-where-it-falls',
    file: TERM_AMOUNTS,
    find: 'parts.push({ ...window, index: last.index, quantity: taken });',
    replace: 'parts.push({ ...window, quantity: taken });',
    description: 'What is taken back is taken from the term that it falls into',
  },
  {
    name: 'change-before-what-was-rated',
    file: RECORD_RULES,
    find: 'return isBilled && !situation.rerate ? null : asked;',
    replace: 'return isBilled && situation.rerate ? null : asked;',
    description: 'A change may hold from before what was rated',
  },
  {
    name: 'due-when-it-holds',
    file: RECORD_RULES,
    find: 'return Math.min(says > billedFrom ? says : begins, recordedAt, ratedUpTo ?? recordedAt);',
    replace: 'return Math.max(Math.min(recordedAt, ratedUpTo ?? recordedAt), says > billedFrom ? says : begins);',
    description: 'A record is due when it holds, and not when it is known',
  },
  {
    name: 'change-without-due',
    file: ACCOUNT_MODEL,
    find: 'this.markDue([{ tenant, customer, dueAt: changed.dueAt }]);',
    replace: '',
    description: 'A change of a subscription makes nobody due',
  },
  {
    name: 'change-without-lock',
    file: ACCOUNT_MODEL,
    find: "await locked('lock customers', [customerLock(wanted)], () => null);",
    replace: '',
    description: 'A change of a subscription does not wait for a rating of its customer',
  },
  {
    name: 'change-by-what-was-rated',
    file: SHARD_MODEL,
    find: 'return rows.map(({ progress, closingUpTo }) => later(progress.closedUpTo, closingUpTo)).reduce(later);',
    replace: 'return rows.map(({ progress }) => progress.closedUpTo).reduce(later);',
    description: 'A change is compared with what was rated, and not with what was announced',
  },
  {
    name: 'shard-epoch-unread',
    file: BATCH,
    find: "if (!(await transaction.areHeld(shards))) return { outcome: 'behind' };",
    replace: '',
    description: 'A batch is written by whoever held its shards when its step began',
  },
  {
    name: 'shard-unlocked',
    file: BATCH,
    find: 'await transaction.lockShards(shards);',
    replace: '',
    description: 'A shard may be taken between the look at its epoch and the commit',
  },
  {
    name: 'shard-taken-in-transaction',
    file: SHARD_MODEL,
    find: 'if (this.postgres.isShared(shardLock(row))) continue;',
    replace: '',
    description: 'A shard is taken while a transaction holds it',
  },
  {
    name: 'shard-advanced-by-any-epoch',
    file: SHARD_MODEL,
    find: 'const moved = this.held(shards).filter((row) => isSameProgress(row.progress, progress));',
    replace: 'const moved = this.rows.filter((row) => shards.some(({ shard }) => shard === row.shard));',
    description: 'Whoever was taken over moves the progress of a shard',
  },
  {
    name: 'assignment-by-one-side',
    file: ACCOUNT_MODEL,
    find: "const closedUpTo = await run('closing', () => this.closing(sides));",
    replace: "const closedUpTo = await run('closing', () => this.closing([{ tenant, customer }]));",
    description: 'An assignment is compared with what is announced of its new customer alone',
  },
  {
    name: 'shard-unannounced',
    file: RATING,
    find: 'const closesMore = progress.closedUpTo === null || progress.closedUpTo < closedUpTo;',
    replace: 'const closesMore = false;',
    description: 'Nothing is announced before windows are looked for',
  },
  {
    name: 'customers-of-other-shards',
    file: RATING,
    find: 'isOfAll || basis.shards.has(shardOf(tenant, customer));',
    replace: 'isOfAll || shardOf(tenant, customer) >= 0;',
    description: 'A step rates whomever it finds, and not the customers of its shards alone',
  },
  {
    name: 'windows-by-name-alone',
    file: TOUCHED,
    find: 'await found.lookAtOthers();',
    replace: '',
    description: 'A step looks for windows of subjects by their own name, and not for those assigned to its customers',
  },
  {
    name: 'step-in-parts-passes-over',
    file: RATING,
    find: 'const outcome = await this.rateTouched(goal, { shards: left.slice(0, atOnce), progress }, windows);',
    replace: 'const outcome = await this.rateTouched(goal, { shards: left, progress }, windows);',
    description: 'Where a step is done in parts, the first of them moves the progress of all',
  },
  {
    name: 'filter-ignored',
    file: 'domain/metering/meter-filter.ts',
    find: '} else if (values.includes(text) === isNot) return false;',
    replace: '} else if (values.length === 0 && isNot) return false;',
    description: 'A meter reads every event of its type, whatever its filter says',
  },
  {
    name: 'fast-filter-ignored',
    file: SCANNER,
    find: 'if ((found === YES) === isNot) return NO;',
    replace: 'if (texts.length === 0 && isNot) return NO;',
    description: 'The same, where the aggregator counts an event from its bytes',
  },
  {
    name: 'factor-dropped',
    file: 'domain/metering/quantity-reading.ts',
    find: 'sum += read.quantity * factor;',
    replace: 'sum += read.quantity * (factor > 0n ? QUANTITY_ONE : -QUANTITY_ONE);',
    description: 'The paths of a sum are added without the constants before them',
  },
  {
    name: 'fast-factor-dropped',
    file: SCANNER,
    find: 'const product = times * this.whole;',
    replace: 'const product = Math.sign(times) * divisor * this.whole;',
    description: 'The same, where the aggregator counts an event from its bytes',
  },
  {
    name: 'minimum-of-the-month',
    file: 'domain/aggregation/min.ts',
    find: 'mergeWindows: (before, window) => (before === null || window < before ? window : before),',
    replace: 'mergeWindows: (before, window) => (before === null || window > before ? window : before),',
    description: 'A minimum over windows is their maximum',
  },
  {
    name: 'otherwise-beside-otherwise',
    file: 'domain/terms/price-terms.ts',
    find: 'return this.usagePricesOf(meter!.slug).filter(({ price }) => isOrdinary(price));',
    replace: 'return this.usagePricesOf(meter!.slug);',
    description: 'A price that takes what others leave leaves to itself what it takes',
  },
  {
    name: 'otherwise-of-all-times',
    file: TAKEN,
    find: 'const inForce = near.filter((other) => other.from <= start && start < other.to);',
    replace: 'const inForce = near;',
    description: 'It leaves to another price also what is used before that one holds, and after',
  },
  {
    name: 'otherwise-as-at-first',
    file: COUNTED_USAGE,
    find: 'return setsIn(wanted, own, atAllTimes([part]));',
    replace: 'return setsIn(wanted, own, atAllTimes([taken[0]!]));',
    description: 'It goes on to take what it took when its term began',
  },
  {
    name: 'records-rated-in-part',
    file: TARGETS,
    find: 'const whole = new Set([...this.prices.keys()].filter((periodStart) => this.hasOtherRecords(periodStart)));',
    replace: 'const whole = new Set([...this.prices.keys()].filter((periodStart) => periodStart < 0));',
    description: 'A period is said to be rated by new records once one of its prices is',
  },
  {
    name: 'fees-of-all-records',
    file: TARGETS,
    find: 'this.feeLines = [...new Set([...by.terms.feeLines, ...by.fees.linesAt(watermark)])];',
    replace: 'this.feeLines = by.terms.feeLines;',
    description: 'A fee of which nothing is left by what is known, but not to be regarded yet, is given back',
  },
  {
    name: 'overlap-takes-from-others',
    file: TAKEN,
    find: 'export const isOrdinary = (price: UsagePrice): boolean => !isOtherwise(price) && !mayOverlap(price);',
    replace: 'export const isOrdinary = (price: UsagePrice): boolean => !isOtherwise(price);',
    description: 'What a price beside others matches is not left to a price that is otherwise',
  },
  {
    name: 'discount-not-over',
    file: AROUND,
    find: '(from === undefined || instantOf(from) <= instant) && (until === undefined || instant < instantOf(until));',
    replace: 'from === undefined || instantOf(from) <= instant;',
    description: 'A discount goes on when its end has come',
  },
  {
    name: 'maximum-not-kept',
    file: AROUND,
    find: 'return maximum === undefined ? charge : Decimal.min(charge, Decimal.parse(maximum));',
    replace: 'return charge;',
    description: 'A maximum is not kept to',
  },
  {
    name: 'amount-off-each-term',
    file: AROUND,
    find: 'maximum !== undefined || (discounts?.some(({ amount }) => amount !== undefined) ?? false);',
    replace: 'false;',
    description: 'What is of a period as a whole is carried over a change, and not shared',
  },
  {
    name: 'allowance-twice',
    file: ALLOWANCES,
    find: 'used += freeOf(quantity, room);',
    replace: 'used += 0n;',
    description: 'Each term of a period has its allowance anew',
  },
  {
    name: 'allowance-by-time-always',
    file: TERM_AMOUNTS,
    find: "const isWhole = price.included?.proration === 'none';",
    replace: 'const isWhole = false;',
    description: 'An allowance that is whole in any part of a period is cut by time',
  },
  {
    name: 'widest-cell-first',
    file: CELLS,
    find: '.sort((a, b) => b - a)',
    replace: '.sort((a, b) => a - b)',
    description: 'The cell for any value takes what another one names',
  },
  {
    name: 'cell-of-one-value',
    file: TERM_USAGE,
    find: 'merged.set(windowStart, known === undefined ? quantity : mergeWindows(known, quantity));',
    replace: 'merged.set(windowStart, quantity);',
    description: 'Of several values that one cell takes in a window, the last one counts',
  },
  {
    name: 'cell-not-split',
    file: TERM_USAGE,
    find: 'sameDefinition(last.price, cell.price);',
    replace: 'true;',
    description: 'A cell whose price has changed goes on at the price that it had',
  },
  {
    name: 'no-fee-beside-share',
    file: CATALOG,
    find: 'for (const part of prices.flatMap(partsOf))',
    replace: 'for (const part of prices)',
    description: 'The fee for each event of a percentage is not charged',
  },
  {
    name: 'fee-without-free-events',
    file: PARTS,
    find: '...(included !== undefined && { included }),',
    replace: '',
    description: 'Events that are included are charged a fee',
  },
  {
    name: 'matrix-takes-all',
    file: LEFT_GROUPS,
    find: 'if (prices.some((price) => !isMatrix(price) && isAll(price.match))) continue;',
    replace: 'if (prices.some((price) => isAll(price.match))) continue;',
    description: 'What no cell of a matrix matches is not counted as unpriced',
  },
  {
    name: 'gone-cell-kept',
    file: TERM_ITEMS,
    find: 'if (target.prices?.has(lineSlugOf(price)) === false) continue;',
    replace: 'if (target.prices?.has(price) === false) continue;',
    description: 'A cell that is no more stays charged where its price alone is looked at',
  },
  {
    name: 'otherwise-at-once',
    file: LINES,
    find: 'isUsagePrice(price) ? [price.match, price.per, isOtherwise(price), dimensionsOf(price)] : null;',
    replace: 'isUsagePrice(price) ? [price.match, price.per] : null;',
    description: 'A price that is otherwise from now on takes what others leave at once, in the middle of a period',
  },
  {
    name: 'unpriced-twice',
    file: UNPRICED,
    find: '.map((meter) => ({ meter, from: from === null ? 0 : closedBefore(meter, from), to: closedBefore(meter, to) }))',
    replace: '.map((meter) => ({ meter, from: 0, to: closedBefore(meter, to) }))',
    description: 'Each step counts unpriced windows that steps before it closed',
  },
  {
    name: 'recount-counts-twice',
    file: CORRECTIONS,
    find: 'const left = corrected.size === 0 ? inForce : inForce.filter(({ slug }) => !corrected.has(slug));',
    replace: 'const left = inForce;',
    description: 'A recounted meter is counted beside what it counts already',
  },
  {
    name: 'recount-out-of-range',
    file: CORRECTIONS,
    find: 'return start >= from && (to === null || start < to);',
    replace: 'return start >= from;',
    description: 'A recount goes on behind the end of its range',
  },
  {
    name: 'recount-of-all-tenants',
    file: CORRECTIONS,
    find: 'if (tenant !== null && tenant !== event.tenant) return false;',
    replace: '',
    description: 'A recount of one tenant is one of all',
  },
  {
    name: 'recount-first-correction',
    file: CORRECTIONS,
    find: 'if (meter !== null && concerns(correction, meter, event)) corrected.set(meter.slug, meter);',
    replace:
      'if (meter !== null && concerns(correction, meter, event) && !corrected.has(meter.slug)) corrected.set(meter.slug, meter);',
    description: 'Of two corrections of a meter the first one holds',
  },
  {
    name: 'recount-seals-without-epoch',
    file: RECOUNTS,
    find: 'if (progress === null || progress.epoch !== epoch) throw new PartitionLost(partition, epoch);',
    replace: 'if (progress === null) throw new PartitionLost(partition, epoch);',
    description: 'Whoever was the owner seals revisions, and gives corrections',
  },
  {
    name: 'recount-given-twice',
    file: RECOUNTS,
    find: 'await transaction.saveChunks(partition, recount.number, { next: to, to: chunks.to });',
    replace: '',
    description: 'Chunks get the correction of a recount again and again',
  },
  {
    name: 'recount-before-version',
    file: RECOUNTS,
    find: 'if (progress.catalogVersion < recount.version) continue;',
    replace: '',
    description: 'A recount does not wait until its version is in force in the partition',
  },
  {
    name: 'recount-of-open-chunks',
    file: RECOUNTS,
    find: 'const to = Math.min(chunks.to, chunks.next + GIVEN_CHUNKS_MAX, progress.nextChunk);',
    replace: 'const to = Math.min(chunks.to - 1, chunks.next + GIVEN_CHUNKS_MAX, progress.nextChunk);',
    description: 'The chunk in which the version took effect never gets its correction',
  },
  {
    name: 'recount-of-other-events',
    file: RECOUNTS,
    find: 'if (isSameRows(found, events)) return;',
    replace: 'if (found.count >= 0) return;',
    description: 'A chunk is recounted from whatever events are there',
  },
  {
    name: 'recount-not-read-back',
    file: RECOUNTS,
    find: 'if (isSameRows(written[table], stored[table])) continue;',
    replace: 'if (written[table].count >= 0) continue;',
    description: 'A revision is sealed without its rows being there',
  },
  {
    name: 'recount-as-revision-0',
    file: REVISIONS,
    find: 'const at: ChunkCoordinates = { generation: this.generation, partition, chunk, epoch, version, revision };',
    replace:
      'const at: ChunkCoordinates = { generation: this.generation, partition, chunk, epoch, version, revision: 0 };',
    description: 'Rows of a revision replace what the log alone says',
  },
  {
    name: 'recount-unseen-by-vector',
    file: VECTOR,
    find: 'nextChunkOf(a, generation, partition) >= nextChunk && recountsOf(a, generation, partition) >= recounts,',
    replace: 'nextChunkOf(a, generation, partition) >= nextChunk,',
    description: 'A vector covers another one that has more recounts',
  },
  {
    name: 'recount-without-number',
    file: VECTOR,
    find: 'vector[generation][partition] = recounts === 0 ? nextChunk : [nextChunk, recounts];',
    replace: 'vector[generation][partition] = nextChunk;',
    description: 'A vector does not carry recount numbers',
  },
  {
    name: 'recount-touches-nothing',
    file: RUNS,
    find: 'return range.fromChunk < range.toChunk ? [{ generation, partition, meters, ...range }] : [];',
    replace: 'return range.fromChunk + 1 < range.toChunk ? [{ generation, partition, meters, ...range }] : [];',
    description: 'A rater does not look at a single chunk that was recounted',
  },
  {
    name: 'recount-touches-old-chunks',
    file: RUNS,
    find: 'const skipped = Math.max(0, from + 1 - run.firstNumber);',
    replace: 'const skipped = Math.max(0, from + 2 - run.firstNumber);',
    description: 'A rater passes over the first chunk that was recounted since it looked last',
  },
  {
    name: 'recount-touches-other-meters',
    file: TOUCHED,
    find: 'const ofMeters = ({ meter }: { readonly meter: string }): boolean => chunks[0]!.meters.includes(meter);',
    replace: 'const ofMeters = ({ meter }: { readonly meter: string }): boolean => !chunks[0]!.meters.includes(meter);',
    description: 'A rater looks at the meters that were not recounted',
  },
  {
    name: 'published-before-the-log',
    file: 'platform/catalog-publishing/publication.ts',
    find: 'await Promise.all(partitions.map((partition) => eventLog.append(partition, [record])));',
    replace: 'void Promise.all(partitions.map((partition) => eventLog.append(partition, [record]))).catch(() => {});',
    description: 'A version is noted as published before every partition has its record',
  },
  {
    name: 'others-are-left-unpublished',
    file: 'platform/catalog-publishing/publication.ts',
    find: 'for (const version of await stored.unpublished()) {',
    replace: 'for (const version of (await stored.unpublished()).slice(-1)) {',
    description: 'A publisher does not finish what others have left',
  },
  {
    name: 'meters-not-by-tenant',
    file: TENANT_METERS,
    find: 'return this.own.get(tenant) ?? this.defaults;',
    replace: 'return this.defaults;',
    description: 'Every tenant is metered by the default',
  },
  {
    name: 'default-takes-the-place-of-own',
    file: 'aggregator/catalog-reader.ts',
    find: 'const own = new Map([...at.own].map(([tenant, number]) => [tenant, metersOf(number)]));',
    replace:
      'const own = new Map([...at.own].map(([tenant, number]) => [tenant, metersOf(Math.max(number, at.default))]));',
    description: 'A version of the default changes the meters of tenants with a catalog of their own',
  },
  {
    name: 'changed-tenants-stay-in-columns',
    file: TENANT_METERS,
    find: 'return this.tenants.has(tenant) || (this.apart !== null && !this.apart.has(tenant));',
    replace: 'return this.apart !== null && !this.apart.has(tenant);',
    description: 'A tenant whose own meters change within a chunk goes on with the cells of those before',
  },
  {
    name: 'meters-same-by-slug',
    file: 'aggregator/catalog-reader.ts',
    find: 'return { meters, text: JSON.stringify([...meters].sort(([one], [other]) => (one < other ? -1 : 1))) };',
    replace:
      'return { meters, text: JSON.stringify([...meters].map(([type, of]) => [type, of.map(({ slug }) => slug)]).sort()) };',
    description: 'An owner goes on with a meter that a version reads otherwise',
  },
  {
    name: 'dimensions-by-name',
    file: 'domain/catalog/meter-meaning.ts',
    find: 'const placeOf = ({ name }: Dimension): number => (places.includes(name) ? places.indexOf(name) : places.length);',
    replace: 'const placeOf = ({ name }: Dimension): number => (places.includes(name) ? 0 : 0);',
    description: 'A dimension that is added takes the place that its name has among the others',
  },
  {
    name: 'rated-by-first-definition',
    file: RATING_CATALOG,
    find: 'this.versions.flatMap(({ catalog }) => catalog.meters).map((meter) => [meter.slug, meter] as const),',
    replace:
      'this.versions.toReversed().flatMap(({ catalog }) => catalog.meters).map((meter) => [meter.slug, meter] as const),',
    description: 'Usage is told by the first definition of its meter, without the dimensions that came',
  },
  {
    name: 'priced-by-first-definition',
    file: CATALOG,
    find: 'for (const meter of catalog.meters) this.meters.set(meter.slug, meter);',
    replace: 'for (const meter of catalog.meters) this.meters.set(meter.slug, this.meters.get(meter.slug) ?? meter);',
    description: 'Prices look at usage by the first definition of its meter',
  },
  {
    name: 'level-stays',
    file: HELD_SHARE,
    find: 'if (assigned.assignments.length === 0) return null;',
    replace: 'if (terms.length > 0) return null;',
    description: 'A level counts whole for each customer that has had its subject',
  },
  {
    name: 'level-leaves-early',
    file: HELD_SHARE,
    find: '.map(({ from, to }) => ({ from, to: to < closed ? to : ALWAYS.to }));',
    replace: '.map(({ from, to }) => ({ from, to }));',
    description: 'A level leaves before the window is closed with which its subject moves',
  },
  {
    name: 'level-never-given-back',
    file: HELD_SHARE,
    find: 'const end = to > windowStart ? this.whole : this.elapsed(to);',
    replace: 'const end = this.whole;',
    description: 'A subject that leaves keeps its level to the end of the period',
  },
  {
    name: 'share-not-exact',
    file: 'domain/terms/exact-share.ts',
    find: 'part === whole ? quantity : halfEven(quantity * part, whole);',
    replace: 'part === whole ? quantity : (quantity * part) / whole;',
    description: 'A share of a level is cut off and not rounded',
  },
  {
    name: 'moves-due-for-nobody',
    file: BATCH,
    find: 'const move = isOwnSubject(each) ? null : nextMoveDue(by, each, { closedUpTo, watermark });',
    replace: 'const move = null;',
    description: 'Nobody is due when a subject moves whose window is not closed yet',
  },
  {
    name: 'assignment-marks-nobody-billed',
    file: ACCOUNT_MODEL,
    find: 'const billed = sides.filter((side) => this.billedUntil(side) > added.from);',
    replace: 'const billed = sides.slice(0, 0);',
    description: 'An assignment makes due nobody who was billed for time after it',
  },
  {
    name: 'mean-of-windows',
    file: PERIOD_VALUE,
    find: 'this.events += eventsOf(window);',
    replace: 'this.events += eventsOf(window) > 0n ? 1n : 0n;',
    description: 'A mean is divided by the number of windows and not by that of events',
  },
  {
    name: 'mean-of-subjects',
    file: ACROSS,
    find: "export const isOneSubject = (across: Across): across is 'union' | 'pooled' => across === 'union' || across === 'pooled';",
    replace: "export const isOneSubject = (across: Across): across is 'union' | 'pooled' => across === 'union';",
    description: 'Subjects have a mean each, which nothing puts together',
  },
  {
    name: 'mean-without-totals',
    file: ROLL_UP,
    find: 'if (rules.isSum) this.totals.add({ tenant: event.tenant, meter, windowStart }, groupValues, reading.quantity);',
    replace:
      'if (rules.isSum && !rules.isMean) this.totals.add({ tenant: event.tenant, meter, windowStart }, groupValues, reading.quantity);',
    description: 'What all subjects come to leaves out sums of means',
  },
  {
    name: 'mean-cut-off',
    file: PERIOD_VALUE,
    find: 'export const meanOf = (sum: Quantity, events: bigint): Quantity => (events === 0n ? 0n : halfEven(sum, events));',
    replace: 'export const meanOf = (sum: Quantity, events: bigint): Quantity => (events === 0n ? 0n : sum / events);',
    description: 'A mean is cut off at its twelfth digit and not rounded',
  },
  {
    name: 'mean-shared-by-time',
    file: HELD_SHARE,
    find: '!countsUnits(aggregation) && !aggregationRules(aggregation).isMean;',
    replace: '!countsUnits(aggregation);',
    description: 'Of a subject that moves, a part of its mean counts, as if a mean were a level',
  },
  {
    name: 'mean-carried-as-units',
    file: AGGREGATIONS,
    find: '(rules[aggregation].isSum && !rules[aggregation].isMean) || rules[aggregation].needsFirstSeen;',
    replace: 'rules[aggregation].isSum || rules[aggregation].needsFirstSeen;',
    description: 'Where a price changes, a mean is told by units and not by time',
  },
];

/** The source with the bug. Throws where the line is not there exactly once. */
export function mutated(source: string, { name, file, find, replace }: Mutant): string {
  const lines = source.split('\n');
  const at = lines.flatMap((line, i) => (line.trim() === find ? [i] : []));
  if (at.length !== 1) throw new Error(`mutant ${name}: ${at.length} lines of ${file} read: ${find}`);
  return lines.with(at[0]!, replace).join('\n');
}
