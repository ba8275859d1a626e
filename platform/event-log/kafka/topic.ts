// Creates the topic with the settings that the log's promises rest on, or verifies those of an existing one.
import kafkajs, { type Admin } from 'kafkajs';
import type { Logger } from 'pino';
import { EventLogError, type TopicOptions } from '../event-log.ts';
import { recordBytesMax } from '../record-size.ts';

/** Room for the largest record and for what a batch adds to its values. */
const messageBytesMax = recordBytesMax + 1024 * 1024;

export async function ensureTopic(admin: Admin, options: TopicOptions, logger: Logger): Promise<void> {
  if (options.mustExist === true) {
    if (!(await admin.listTopics()).includes(options.topic)) throw topicMissing(options.topic);
    await verifyTopic(admin, options, logger);
    return;
  }
  const created = await admin.createTopics({
    waitForLeaders: true,
    timeout: 10_000,
    topics: [
      {
        topic: options.topic,
        numPartitions: options.partitions,
        replicationFactor: options.replicationFactor,
        configEntries: Object.entries(configuration(options)).map(([name, value]) => ({ name, value })),
      },
    ],
  });
  if (created) logger.info({ topic: options.topic, partitions: options.partitions }, 'topic created');
  // Also after a creation: another process may have been first, or a broker may bend a setting.
  await verifyTopic(admin, options, logger);
}

function topicMissing(topic: string): EventLogError {
  return new EventLogError(
    'topic_missing',
    `the topic ${topic} is gone: events that were not yet counted are gone with it. Bring it back; do not make a new one before you know why`,
  );
}

function configuration(options: TopicOptions): Record<string, string> {
  return {
    'message.timestamp.type': 'LogAppendTime',
    'cleanup.policy': 'delete',
    'retention.ms': String(options.retentionMs),
    'retention.bytes': '-1',
    'min.insync.replicas': String(options.minInsyncReplicas),
    'unclean.leader.election.enable': 'false',
    'max.message.bytes': String(messageBytesMax),
  };
}

/** What would break a promise is refused; what a deployment may have chosen otherwise is logged. */
async function verifyTopic(admin: Admin, options: TopicOptions, logger: Logger): Promise<void> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [options.topic] });
  const partitions = topics[0]?.partitions.length ?? 0;
  if (partitions !== options.partitions) {
    throw new EventLogError(
      'topic_mismatch',
      `the topic ${options.topic} has ${partitions} partitions, the settings say ${options.partitions}; the number of partitions of a topic never changes`,
    );
  }
  const expected = configuration(options);
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: options.topic, configNames: Object.keys(expected) }],
  });
  for (const { configName, configValue } of resources[0]?.configEntries ?? []) {
    const wanted = expected[configName];
    if (wanted === undefined || wanted === configValue) continue;
    const difference = `${configName} of the topic ${options.topic} is ${configValue}, not ${wanted}`;
    if (configName === 'message.timestamp.type') {
      throw new EventLogError(
        'topic_mismatch',
        `${difference}: lateness and windows are decided by the brokers' clock, never by a producer's`,
      );
    }
    if (configName === 'cleanup.policy') {
      throw new EventLogError(
        'topic_mismatch',
        `${difference}: a compacted topic loses records that were acknowledged`,
      );
    }
    logger.warn({ topic: options.topic }, difference);
  }
}
