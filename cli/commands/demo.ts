// `tallyline demo`: the whole line on embedded stores, fed with realistic traffic and checked against an independent
// oracle.
import { type Command, InvalidArgumentError } from 'commander';

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

interface Flags {
  readonly exit?: boolean;
  readonly events: number;
  readonly trace?: string;
  readonly port: number;
  readonly dataDir?: string;
  readonly seed: number;
  readonly rate: number;
}

export function registerDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('start everything on embedded stores, stream realistic usage and check every total')
    .option('--exit', 'stop when the totals are checked instead of staying up')
    .option('--events <count>', 'usage events, apart from duplicates and the like', wholeNumber(1, 10_000_000), 200_000)
    .option('--trace <file>', 'stream a CSV of TIMESTAMP,ContextTokens,GeneratedTokens instead of generated usage')
    .option('--port <port>', '0: any free one', wholeNumber(0, 65_535), 0)
    .option('--data-dir <dir>', 'an empty or new directory (default: a temporary one, removed at the end)')
    .option('--seed <number>', 'the same seed streams the same events', wholeNumber(0, Number.MAX_SAFE_INTEGER), 1)
    .option(
      '--rate <events>',
      'events a second at most; 0: as fast as they are taken',
      wholeNumber(0, 1_000_000),
      8_000,
    )
    .action(async ({ exit, events, trace, port, dataDir, seed, rate }: Flags) => {
      const [{ runDemo }, { readTrace }] = await Promise.all([
        import('../../demo/run.ts'),
        import('../../demo/trace.ts'),
      ]);
      process.exitCode = await runDemo({
        exit: exit ?? false,
        events,
        trace: trace === undefined ? null : readTrace(trace),
        port,
        dataDir: dataDir ?? null,
        seed,
        rate: rate === 0 ? null : rate,
      });
    });
}
