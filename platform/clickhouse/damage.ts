// Which of ClickHouse's errors say that a stored part can't be read: bytes that do not match their checksum, a file
// that is short, missing or of a form that nothing has. All of them are one thing to whoever reads: it fails until the
// part is gone, and no other read is concerned.

/** Where the damage is, as far as the error says. */
export interface DamagedPart {
  /** A table of ours, or '' where the error does not say. */
  readonly table: string;
  /** As system.parts names it, such as 202611_1_42_3; '' where the error does not say. */
  readonly part: string;
}

/**
 * From src/Common/ErrorCodes.cpp, and tried by flipping, cutting and deleting every file of live parts (26.7). Asked of
 * reads alone: in an insert some of them are about what was sent. 1001 is what a missing file of marks comes as.
 */
const DAMAGE_CODES: ReadonlySet<number> = new Set([
  30, // CANNOT_READ_SIZE_OF_COMPRESSED_CHUNK
  31, // CANNOT_READ_COMPRESSED_CHUNK
  32, // ATTEMPT_TO_READ_AFTER_EOF
  33, // CANNOT_READ_ALL_DATA
  39, // TOO_LARGE_SIZE_COMPRESSED
  40, // CHECKSUM_DOESNT_MATCH
  74, // CANNOT_READ_FROM_FILE_DESCRIPTOR
  87, // CANNOT_SEEK_THROUGH_FILE
  89, // UNKNOWN_COMPRESSION_METHOD
  91, // SIZES_OF_MARKS_FILES_ARE_INCONSISTENT
  107, // FILE_DOESNT_EXIST
  117, // INCORRECT_DATA
  128, // TOO_LARGE_ARRAY_SIZE
  131, // TOO_LARGE_STRING_SIZE
  226, // NO_FILE_IN_DATA_PART
  227, // UNEXPECTED_FILE_IN_DATA_PART
  228, // BAD_SIZE_OF_FILE_IN_DATA_PART
  230, // NOT_FOUND_EXPECTED_DATA_PART
  246, // CORRUPTED_DATA
  247, // INCORRECT_MARK
  271, // CANNOT_DECOMPRESS
  282, // INCORRECT_INDEX
  361, // SEEK_POSITION_OUT_OF_BOUND
  432, // UNKNOWN_CODEC
  740, // POTENTIALLY_BROKEN_DATA_PART
  1001, // STD_EXCEPTION
]);

export const isDamage = (code: number): boolean => DAMAGE_CODES.has(code);

const TABLE = /in table \w+\.(\w+)/;
/** Partition, lowest block, highest block, level: in the path of a file of the part, or by itself. */
const PART = /[/ ](\w+_\d+_\d+_\d+)\b/;

/** What a message of ClickHouse says of the part, to be shown: nothing is decided by it. */
export const partIn = (message: string): DamagedPart => ({
  table: TABLE.exec(message)?.[1] ?? '',
  part: PART.exec(message)?.[1] ?? '',
});

export const printPart = ({ table, part }: DamagedPart): string =>
  `${part === '' ? 'a part' : `part ${part}`} of ${table === '' ? 'a table' : table}`;

/**
 * What a partition of one of our tables is for, milliseconds since the epoch: a week of windows, or a month of events.
 */
export interface PartitionSpan {
  readonly start: number;
  readonly end: number;
  readonly isWeek: boolean;
}

/** By the id of the partition, or the name of a part, which begins with it; null where it tells none. */
export function partitionSpan(name: string): PartitionSpan | null {
  const [, year, month, day] = /^(\d{4})(\d\d)(\d\d)?(?:_|$)/.exec(name) ?? [];
  if (year === undefined) return null;
  const at = (months: number, days: number): number =>
    Date.UTC(Number(year), Number(month) - 1 + months, Number(day ?? 1) + days);
  const isWeek = day !== undefined;
  return { start: at(0, 0), end: isWeek ? at(0, 7) : at(1, 0), isWeek };
}
