// Structured logs: one JSON object a line on stderr, so that stdout stays for what a command answers. Secrets never
// reach a line, whichever object they came in with.
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';

const SECRETS = ['password', 'authorization', 'apiKey', 'key', 'token', 'secret', 'postgresUrl', 'connectionString'];

/** A logger whose lines carry `stage`. Unknown levels are refused by pino. */
export function createLogger(stage: string, level: string): Logger {
  return pino(
    {
      level,
      base: { stage, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `*.*.*.${name}`]),
        censor: '[redacted]',
      },
    },
    destination({ fd: 2, sync: true }),
  );
}
