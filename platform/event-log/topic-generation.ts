// A topic generation: one incarnation of the log's topic with the rules by which its partitions are cut into chunks.
// The rules are stored when the generation is made and never change within it; settings only shape a new one.
//
// Gateways refuse an event by their clock when it arrives, the aggregator by the log's when it was appended. Between
// the two lie the append, which may take as long as its timeout and retries, and the difference of the clocks. So the
// horizon lies behind what gateways accept by APPEND_MARGIN_MS: what was answered `accepted` is never `too_late`.
import type pg from 'pg';
import { NEWEST_RULE_SET } from '../../domain/metering/rule-set.ts';
import { inTransaction } from '../postgres/pool.ts';
import type { Queries } from '../postgres/table-columns.ts';
import type { Settings } from '../settings/settings.ts';
import { type EventLog, EventLogError } from './event-log.ts';

const APPEND_MARGIN_MS = 3_600_000;

export interface NewGeneration {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: number;
  readonly chunkOffsets: number;
  readonly slotMs: number;
  /** How far before T an event's time may lie, and how long keys live; more than what gateways accept. */
  readonly horizonMs: number;
  /** By which the first chunk of each partition is read (domain/metering/rule-set.ts). */
  readonly firstRuleSet: number;
}

export interface TopicGeneration extends NewGeneration {
  readonly generation: number;
}

interface GenerationRow {
  generation: number;
  topic: string;
  topic_id: string;
  partitions: number;
  chunk_offsets: number;
  slot_ms: string;
  horizon_ms: string;
  first_rule_set: number;
}

const toGeneration = (row: GenerationRow): TopicGeneration => ({
  generation: row.generation,
  topic: row.topic,
  topicId: row.topic_id,
  partitions: row.partitions,
  chunkOffsets: row.chunk_offsets,
  slotMs: Number(row.slot_ms),
  horizonMs: Number(row.horizon_ms),
  firstRuleSet: row.first_rule_set,
});

/** The newest generation, or null before the first. */
export async function currentGeneration(pool: pg.Pool | pg.PoolClient): Promise<TopicGeneration | null> {
  const { rows } = await pool.query<GenerationRow>(
    'SELECT * FROM tallyline.topic_generations ORDER BY generation DESC LIMIT 1',
  );
  return rows[0] === undefined ? null : toGeneration(rows[0]);
}

/**
 * The rule set by which every partition of the newest generation is read at least. Before the first generation: that of
 * one made now.
 */
export async function ruleSetInForce(db: Queries): Promise<number> {
  const { rows } = await db.query<{ rule_set: number | null }>(
    `SELECT min(coalesce(last.next_rule_set, made.first_rule_set)) AS rule_set
      FROM tallyline.topic_generations made
        JOIN tallyline.partition_progress progress USING (generation)
        LEFT JOIN tallyline.chunk_seals last ON last.generation = progress.generation
          AND last.partition = progress.partition AND last.chunk = progress.next_chunk - 1
      WHERE progress.generation = (SELECT max(generation) FROM tallyline.topic_generations)`,
  );
  return rows[0]!.rule_set ?? NEWEST_RULE_SET;
}

/** What a generation of this log would be, by the settings. */
export const newGeneration = ({ log, aggregator }: Settings, { topicId, partitions }: EventLog): NewGeneration => ({
  ...{ topic: log.topic, topicId, partitions },
  ...{ chunkOffsets: aggregator.chunkOffsets, slotMs: aggregator.chunkSlotMs },
  horizonMs: aggregator.horizonMs + APPEND_MARGIN_MS,
  firstRuleSet: NEWEST_RULE_SET,
});

/**
 * How old an event may be at a gateway, in milliseconds: as the setting says, and never within the margin of the
 * generation's horizon, which may be older than the setting. Half of a horizon that is not even two margins long.
 */
export function acceptedSpanMs(
  { aggregator }: Pick<Settings, 'aggregator'>,
  { horizonMs }: Pick<TopicGeneration, 'horizonMs'>,
): number {
  return Math.min(aggregator.horizonMs, horizonMs - Math.min(APPEND_MARGIN_MS, horizonMs / 2));
}

function requireSame(current: TopicGeneration, wanted: NewGeneration): TopicGeneration {
  const differs = (['topic', 'topicId', 'partitions'] as const).filter((key) => current[key] !== wanted[key]);
  if (differs.length === 0) return current;
  const detail = differs.map((key) => `${key} is ${wanted[key]}, was ${current[key]}`).join('; ');
  throw new EventLogError(
    'topic_mismatch',
    `the event log is not the one that generation ${current.generation} was counted from: ${detail}. ` +
      'If the topic was deleted or made again, its uncounted events are gone; do not continue before you know why',
  );
}

/**
 * The generation of this very topic, made now if there is none at all. Throws an EventLogError `topic_mismatch` where
 * the stored generation is of another topic, another incarnation of it, or another number of partitions: the offsets
 * that Postgres holds then mean nothing in this log.
 */
export async function openGeneration(pool: pg.Pool, wanted: NewGeneration): Promise<TopicGeneration> {
  const known = await currentGeneration(pool);
  if (known !== null) return requireSame(known, wanted);
  return inTransaction(pool, async (client) => {
    // Whoever comes second waits here for the first.
    const { rows } = await client.query<GenerationRow>(
      `INSERT INTO tallyline.topic_generations (generation, topic, topic_id, partitions, chunk_offsets, slot_ms,
          horizon_ms, first_rule_set)
        VALUES (1, $1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING *`,
      [
        ...[wanted.topic, wanted.topicId, wanted.partitions, wanted.chunkOffsets],
        ...[wanted.slotMs, wanted.horizonMs, wanted.firstRuleSet],
      ],
    );
    const [made] = rows;
    if (made === undefined) return requireSame((await currentGeneration(client))!, wanted);
    await client.query(
      `INSERT INTO tallyline.partition_progress (generation, partition) SELECT 1, generate_series(0, $1::int - 1)`,
      [wanted.partitions],
    );
    return toGeneration(made);
  });
}
