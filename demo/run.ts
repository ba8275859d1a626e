// The life of a demonstration: a data directory, `tallyline up` on it, the demonstration itself, and an orderly end.
// The child is told to stop on every way out; a temporary directory is removed unless something went wrong in it.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ALLOWED_LATENESS_MS, Demonstration, type StreamOptions } from './demonstration.ts';
import { Installation } from './installation.ts';
import { priceLists } from './price-lists.ts';

export interface DemoOptions extends Omit<StreamOptions, 'newPricesFile'> {
  /** False: stays up after the check. */
  readonly exit: boolean;
  readonly port: number;
  /** Null: a temporary one. */
  readonly dataDir: string | null;
}

function chooseDataDir(given: string | null): string {
  if (given === null) return mkdtempSync(join(tmpdir(), 'tallyline-demo-'));
  if (existsSync(given) && readdirSync(given).length > 0) {
    throw new Error(`--data-dir ${given} is not empty: the demonstration checks totals, so it needs a fresh directory`);
  }
  return given;
}

/** Each as a file beside the data. */
function writePriceLists(dataDir: string): readonly [first: string, second: string] {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const [first, second] = [join(dataDir, 'prices-1.yaml'), join(dataDir, 'prices-2.yaml')];
  for (const [i, text] of priceLists().entries()) writeFileSync([first, second][i]!, text);
  return [first, second];
}

function onSignal(): Promise<'signal'> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve('signal'));
    process.once('SIGTERM', () => resolve('signal'));
    process.once('SIGHUP', () => resolve('signal'));
  });
}

/** How it went: everything agrees, something differs, or a signal came before that was known. */
type Ending = 'right' | 'wrong' | 'interrupted';

const exitCodes: Readonly<Record<Ending, number>> = { right: 0, wrong: 1, interrupted: 130 };

async function demonstrate(
  options: StreamOptions & { readonly exit: boolean },
  installation: Installation,
  signal: Promise<'signal'>,
): Promise<Ending> {
  const outcome = await Promise.race([new Demonstration(options, installation).run(), signal]);
  if (outcome === 'signal') return 'interrupted';
  if (!options.exit) {
    console.log(`\nStill running: ${installation.url}`);
    for (const path of ['/', '/v1/status', '/metrics']) console.log(`  ${installation.url}${path}`);
    console.log(`  API key: ${installation.apiKeyFile}\n  log:     ${installation.logFile}\nCtrl-C ends it.`);
    const end = await Promise.race([signal, installation.ended]);
    if (end !== 'signal') throw new Error(`tallyline up ${end}`);
  }
  return outcome ? 'right' : 'wrong';
}

/**
 * Resolves with the exit code: 0 when every total agrees. Rejects when the demonstration could not be carried through.
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const dataDir = chooseDataDir(options.dataDir);
  const signal = onSignal();
  const [catalogFile, newPricesFile] = writePriceLists(dataDir);
  console.log(`starting tallyline up on ${dataDir}`);
  const installation = await Installation.start({
    dataDir,
    port: options.port,
    catalogFile,
    allowedLateness: `${ALLOWED_LATENESS_MS / 1000}s`,
  });
  let ending: Ending;
  try {
    ending = await demonstrate({ ...options, newPricesFile }, installation, signal);
  } catch (error) {
    // What went wrong first is what has to be told.
    await installation.stop().catch((stopError: unknown) => console.error(String(stopError)));
    console.log(`the data is in ${dataDir}`);
    throw error;
  }
  await installation.stop();
  // What differs can be looked into only while the data is there.
  if (options.dataDir === null && ending !== 'wrong') rmSync(dataDir, { recursive: true, force: true });
  else console.log(`the data is in ${dataDir}`);
  return exitCodes[ending];
}
