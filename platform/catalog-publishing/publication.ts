// The order of a publication, which the exactly-once argument rests on. A version is `stored`: its row is committed,
// and nobody acts on it. Then it is `published`: every partition of the log holds its control record, and only then
// that is noted. What always holds, as only whoever has the lock of the installation does any of this:
//
//   - When a number is in the log, all lower ones are stored. So whoever loads what holds at it, now or in years, finds
//     the same.
//   - Where a number is noted as published, all lower ones are.
//
// A crash between the two leaves a version stored, and in no partition or in some. Whoever comes next appends its
// control records again, which is harmless: an aggregator passes over a version that is not newer than its own. So it
// is too with what a publisher appends that lost its lock meanwhile.
import type { EventLog } from '../event-log/event-log.ts';
import { encodeCatalogChange } from '../event-log/record-codec.ts';

/** Versions as whoever has the lock of the installation finds them. */
export interface StoredVersions {
  /** Those that are stored and not published, of whoever, in the order of their numbers. */
  unpublished(): Promise<readonly number[]>;
  notePublished(version: number): Promise<void>;
}

type PublishedLog = Pick<EventLog, 'partitions' | 'append'>;

/** `make` stores a version, or finds that there is nothing to make, by what others have published. */
export async function inPublication<Made>(
  stored: StoredVersions,
  eventLog: PublishedLog,
  make: () => Promise<Made>,
): Promise<Made> {
  await publishStored(stored, eventLog);
  const made = await make();
  await publishStored(stored, eventLog);
  return made;
}

async function publishStored(stored: StoredVersions, eventLog: PublishedLog): Promise<void> {
  for (const version of await stored.unpublished()) {
    const record = encodeCatalogChange({ version });
    const partitions = Array.from({ length: eventLog.partitions }, (_, partition) => partition);
    await Promise.all(partitions.map((partition) => eventLog.append(partition, [record])));
    await stored.notePublished(version);
  }
}
