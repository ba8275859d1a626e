// The parameters of GET /v1/subjects and its cursor, which is the last subject of a page.
import { decodePlace, encodePlace, isPlaceText, notACursor } from '../../domain/requests/cursor.ts';
import {
  anyText,
  pageCursor,
  parametersOf,
  type QueryParameters,
  readParameters,
  wholeNumber,
} from '../../domain/requests/parameters.ts';

const SUBJECTS_DEFAULT = 1_000;
/** Their names are a query of their own. */
const SUBJECTS_MAX = 1_000;

export interface SubjectsRequest {
  /** What subjects begin with; "": any. */
  readonly search: string;
  readonly limit: number;
  /** Only those behind it; null: from the first. */
  readonly after: string | null;
}

export const subjectParameters = parametersOf({
  search: anyText('Only subjects that begin with it, as it is written').default(''),
  limit: wholeNumber(SUBJECTS_MAX, SUBJECTS_DEFAULT, 'Subjects in an answer'),
  cursor: pageCursor('the same search'),
});

/** Throws a `Problem`. */
export function parseSubjectsRequest(parameters: QueryParameters): SubjectsRequest {
  const { search, limit, cursor } = readParameters(subjectParameters, parameters);
  if (cursor === undefined) return { search, limit, after: null };
  const read = decodePlace(cursor);
  read.requireOf(search, 'search');
  const [after] = read.place;
  if (!isPlaceText(after)) throw notACursor();
  return { search, limit, after };
}

export const subjectCursor = (search: string, subject: string): string => encodePlace(search, [subject]);
