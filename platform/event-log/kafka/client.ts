// The kafkajs client as every part of the adapter uses it: bounded retries, LZ4, and its logs in ours.
import kafkajs, { type KafkaConfig, type LogEntry, type SASLOptions } from 'kafkajs';
import { compressFrame, decompressFrameSync } from 'lz4-napi';
import type { Logger } from 'pino';
import type { KafkaSettings } from '../../settings/settings.ts';
import { LogKafka } from './seams/log-kafka.ts';

const connectionTimeoutMs = 2000;
/**
 * Above the longest fetch and the longest wait of the broker for its replicas; below the patience of a request to the
 * gateway.
 */
export const requestTimeoutMs = 10_000;

/** A broker that refuses connections is given up within about a second. */
export const boundedRetry = { retries: 3, initialRetryTime: 100, maxRetryTime: 1000, factor: 0.2, multiplier: 2 };

/** kafkajs speaks of LZ4 but brings no codec. Kafka's LZ4 is the frame format. */
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.LZ4] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => compressFrame(buffer),
  // A batch of ours is unpacked in less time than it takes to have another thread do it.
  decompress: (buffer: Buffer) => Promise.resolve(decompressFrameSync(buffer)),
});

export function createClient(settings: KafkaSettings, logger: Logger): LogKafka {
  return new LogKafka({
    clientId: 'tallyline',
    brokers: [...settings.brokers],
    connectionTimeout: connectionTimeoutMs,
    requestTimeout: requestTimeoutMs,
    retry: boundedRetry,
    ...security(settings),
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => (entry) => logEntry(logger, entry),
  });
}

function security({ sasl, ssl }: KafkaSettings): Pick<KafkaConfig, 'sasl' | 'ssl'> {
  return {
    ...(sasl === null ? {} : { sasl: sasl as SASLOptions }),
    ...(ssl === null
      ? {}
      : {
          ssl: {
            rejectUnauthorized: ssl.rejectUnauthorized,
            ...(ssl.ca === null ? {} : { ca: [ssl.ca] }),
            ...(ssl.cert === null ? {} : { cert: ssl.cert }),
            ...(ssl.key === null ? {} : { key: ssl.key }),
          },
        }),
  };
}

/**
 * kafkajs reports every retry as an error; what matters reaches the caller as a rejection, so its levels are lowered by
 * one.
 */
function logEntry(
  logger: Logger,
  { level, namespace, log: { message, timestamp: _, logger: __, ...fields } }: LogEntry,
): void {
  const text = `kafkajs ${namespace}: ${message}`;
  if (level === kafkajs.logLevel.ERROR) logger.warn(fields, text);
  else if (level === kafkajs.logLevel.WARN) logger.info(fields, text);
  else logger.debug(fields, text);
}
