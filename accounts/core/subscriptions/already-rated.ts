// The 409 of what is to hold from an instant after which windows were rated, or are being rated at this moment (T2).
import { Problem } from '../../../domain/problem.ts';
import { formatRfc3339 } from '../../../domain/time/rfc3339.ts';

export const alreadyRated = (earliest: number): Problem =>
  new Problem(
    'already_rated',
    `Usage up to ${formatRfc3339(earliest)} was rated already. That is the earliest instant that works.`,
    { members: { earliest: formatRfc3339(earliest) } },
  );
