// How many fixed cases each surface has, counted from the tables themselves.
import { badCatalogs, oddCatalogs } from './catalogs.cases.ts';
import { commandCases } from './command-line.cases.ts';
import { bytesCases } from './http-bytes.cases.ts';
import { notEvents, rejectedEvents, takenEvents } from './http-events.cases.ts';
import { requestCases } from './http-requests.cases.ts';
import { malformedRecords, oddEvents } from './records.cases.ts';

const sizeOf = (groups: Readonly<Record<string, readonly unknown[]>>): number =>
  Object.values(groups).reduce((sum, cases) => sum + cases.length, 0);

export const caseCounts = {
  'HTTP: one event beside good ones': takenEvents.length + rejectedEvents.length + notEvents.length,
  'HTTP: whole requests': sizeOf(requestCases),
  'HTTP: bytes on a connection': bytesCases.length,
  'Avro records': malformedRecords.length,
  'events in records': oddEvents.length,
  'catalog files': badCatalogs.length + oddCatalogs.length,
  'command line and settings': sizeOf(commandCases),
} as const;
