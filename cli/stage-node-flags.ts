// What node is told for a stage, by `up`, by the image (deploy/docker) and in benches. A stage makes much garbage and keeps little
// of it: a larger young generation is collected less often, and less of what is under way is then copied. What that was measured to
// give and to cost stands in docs/performance.md.
export const STAGE_NODE_FLAGS: readonly string[] = ['--max-semi-space-size=64'];
