// A log record as core/ takes it. What can't be read is a malformed input, never an exception: one bad record must not
// stop a partition, and every owner must see it alike. Only a store that is away, or a catalog version that is missing,
// throws, or a rule set that a later release
// asked for.

import { UnknownRuleSet } from '../domain/metering/rule-set.ts';
import type { LogRecord } from '../platform/event-log/event-log.ts';
import {
  AvroRegistry,
  decodeRecord,
  type LogEntry,
  MalformedRecord,
  UnknownSchema,
} from '../platform/event-log/record-codec.ts';
import type { CatalogReader } from './catalog-reader.ts';
import type { PartitionInput } from './core/partition-state.ts';
export class RecordReader {
  private readonly findSchema: (fingerprint: Buffer) => Promise<object | null>;
  private readonly catalogs: CatalogReader;
  private readonly newestRuleSet: number;
  private readonly registry = new AvroRegistry();

  /**
   * `findSchema` gives the Avro schema that a writer registered under a fingerprint, or null where none did.
   * `newestRuleSet`: the newest that this release knows.
   */
  constructor(
    findSchema: (fingerprint: Buffer) => Promise<object | null>,
    catalogs: CatalogReader,
    newestRuleSet: number,
  ) {
    this.findSchema = findSchema;
    this.catalogs = catalogs;
    this.newestRuleSet = newestRuleSet;
  }

  private async decode(value: Buffer): Promise<LogEntry | MalformedRecord> {
    try {
      return decodeRecord(this.registry, value);
    } catch (error) {
      if (error instanceof MalformedRecord) return error;
      if (!(error instanceof UnknownSchema)) throw error;
      // Writers register before they write, so a fingerprint that nobody registered is damage.
      const schema = await this.findSchema(error.fingerprint);
      if (schema === null) return new MalformedRecord(error.message);
      this.registry.add(schema);
      return this.decode(value);
    }
  }

  async read({ offset, appendTime, value }: LogRecord, catalogVersion: number): Promise<PartitionInput> {
    const entry = await this.decode(value);
    if (entry instanceof MalformedRecord) {
      return { offset, appendTime, kind: 'malformed', reason: entry.message, bytes: value };
    }
    switch (entry.kind) {
      case 'event-batch':
        return { offset, appendTime, kind: 'event-batch', events: entry.events };
      case 'tick':
        if (entry.ruleSet > this.newestRuleSet) throw new UnknownRuleSet(entry.ruleSet, this.newestRuleSet);
        return { offset, appendTime, kind: 'tick', ruleSet: entry.ruleSet };
      case 'catalog-change': {
        const { version } = entry;
        const meters = version > catalogVersion ? await this.catalogs.meters(version) : null;
        return { offset, appendTime, kind: 'catalog-change', version, meters };
      }
    }
  }
}
