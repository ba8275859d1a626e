// What a failure of kafkajs means for the event log.
import { EventLogError } from '../event-log.ts';

/** An `EventLogError` for whatever kafkajs rejected with. */
export function kafkaFailure(error: unknown, what: string): EventLogError {
  const chain = causes(error);
  const known = chain.find((each) => each instanceof EventLogError);
  if (known !== undefined) return known;
  const types = chain.flatMap((each) => ('type' in each && typeof each.type === 'string' ? [each.type] : []));
  const reason = `${what}: ${chain.at(-1)?.message ?? String(error)}`;
  const cause = chain[0];
  const options = cause === undefined ? {} : { cause };
  if (types.includes('MESSAGE_TOO_LARGE') || types.includes('RECORD_LIST_TOO_LARGE')) {
    return new EventLogError(
      'record_too_large',
      `${reason}; is max.message.bytes of the topic or of the brokers too small?`,
      options,
    );
  }
  if (types.includes('UNKNOWN_TOPIC_OR_PARTITION')) return new EventLogError('topic_missing', reason, options);
  return new EventLogError('unavailable', reason, options);
}

/**
 * Whether kafkajs takes the failure for one that passes by itself: a broker that is away, a leader or controller that
 * is being chosen.
 */
export function isPassing(error: unknown): boolean {
  const root = causes(error).at(-1);
  return root !== undefined && 'retriable' in root && root.retriable === true;
}

/** The error and its causes, outermost first. kafkajs wraps the last error of a series of attempts, once or twice. */
function causes(error: unknown): Error[] {
  const chain: Error[] = [];
  for (let each: unknown = error; each instanceof Error && !chain.includes(each); each = each.cause) chain.push(each);
  return chain;
}
