import { Problem } from '../../domain/problem.ts';

/** What the work returns, or the problem that it throws. */
export function orProblem<Result>(work: () => Result): Result | Problem {
  try {
    return work();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}
