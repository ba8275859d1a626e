// What node is told for a stage, by `up`, by the image (deploy/docker) and in benches. A stage makes much garbage and
// keeps little of it: a larger young generation is collected less often, and less of what is under way is then copied.
// Most of the garbage are buffers outside of the heap; at every 30 MB of them node would begin to mark the heap step by
// step, for which it finds nothing to free that the young generation's own collection does not. What that was measured
// to give and to cost stands in docs/lab/performance.md.
export const STAGE_NODE_FLAGS: readonly string[] = ['--max-semi-space-size=64', '--no-incremental-marking'];
