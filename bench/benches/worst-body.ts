// The worst that a body can do to the gateway that admits it.
import type { Bench, RunContext } from '../bench.ts';
import type { WorstBodyInput, WorstBodyOutput } from '../programs/worst-body.ts';
import { runProgram } from '../stand/bench-program.ts';

/** The heap of a gateway by the chart. */
const HEAP_MB = 768;

export const worstBody: Bench = {
  name: 'worst-body',
  unit: 'bytes',
  about: 'bodies of 9.8 MB that are made to cost, admitted part by part: the worst of them beside an honest one',
  events: { full: 9_800_000, smoke: 500_000 },
  variants: [
    {
      name: '',
      measure: async ({ events }: RunContext) => {
        const input: WorstBodyInput = { bytes: events };
        const { output, seconds, cpuMicros } = await runProgram<WorstBodyOutput>('worst-body', input, {
          heapMB: HEAP_MB,
        });
        const { bytes, ...details } = output;
        return { events: bytes, seconds, cpuMicros: { gateway: cpuMicros }, details };
      },
    },
  ],
};
