// One way to say no to a request as a whole: throw a `Problem` (RFC 9457), with a code of this closed list. A code
// means one status and one title for ever, and clients decide by the code, never by the words. One event that is not
// accepted is a `Rejection` instead, and a file's faults are collected, each with its place.

/** Every code a client may meet, with its status and title. */
export const problemCodes = {
  malformed_body: { status: 400, title: 'The body could not be read' },
  empty_batch: { status: 400, title: 'The body holds no event' },
  no_event_accepted: { status: 400, title: 'None of the events is acceptable' },
  invalid_parameter: { status: 400, title: 'A parameter is not valid' },
  conflicting_parameters: { status: 400, title: 'The parameters do not go together' },
  invalid_request: { status: 400, title: 'The request is not valid' },
  unknown_dimension: { status: 400, title: 'The meter has no such dimension' },
  window_too_small: { status: 400, title: 'The meter is kept in larger windows' },
  range_misaligned: { status: 400, title: 'The range begins or ends inside a stored window' },
  timezone_misaligned: { status: 400, title: 'The time zone cuts stored windows' },
  result_too_large: { status: 400, title: 'The result is too large' },
  invalid_field: { status: 400, title: 'A field is not valid' },
  idempotency_key_required: { status: 400, title: 'An Idempotency-Key is needed' },
  invalid_cursor: { status: 400, title: 'The cursor is not valid' },
  unauthenticated: { status: 401, title: 'An API key is needed' },
  malformed_key: { status: 401, title: 'The API key is not complete' },
  unknown_key: { status: 401, title: 'The API key is not known' },
  expired_key: { status: 401, title: 'The API key has expired' },
  revoked_key: { status: 403, title: 'The API key was revoked' },
  insufficient_scope: { status: 403, title: 'The API key may not do this' },
  outside_customer: { status: 403, title: 'The API key is limited to one customer' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'The path does not take this method' },
  unknown_meter: { status: 404, title: 'The meter is not known' },
  unknown_customer: { status: 404, title: 'The customer is not known' },
  unknown_subscription: { status: 404, title: 'The subscription is not known' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  idempotency_conflict: { status: 409, title: 'The Idempotency-Key was used for another request' },
  in_progress: { status: 409, title: 'The same request is being done' },
  customer_archived: { status: 409, title: 'The customer is archived' },
  customer_erased: { status: 409, title: 'The customer was erased' },
  already_rated: { status: 409, title: 'The usage was rated already' },
  assignments_full: { status: 409, title: 'The subject was assigned too often' },
  subscription_ended: { status: 409, title: 'The subscription is over' },
  changes_full: { status: 409, title: 'The subscription was changed too often' },
  preview_moved: { status: 409, title: 'What was previewed has changed' },
  not_paused: { status: 409, title: 'The subscription is not paused' },
  nothing_to_undo: { status: 409, title: 'All of the change has happened' },
  overlapping_prices: { status: 409, title: 'Two subscriptions would price the same usage' },
  recount_refused: { status: 409, title: 'The meter can not be recounted so' },
  catalog_refused: { status: 409, title: 'The catalog can’t be applied' },
  currency_mismatch: { status: 409, title: 'The customer is charged in another currency' },
  version_mismatch: { status: 412, title: 'It is not what the request takes it for' },
  body_too_large: { status: 413, title: 'The body is too large' },
  too_many_events: { status: 413, title: 'The request holds too many events' },
  unsupported_media_type: { status: 415, title: 'The content type is not supported' },
  unsupported_encoding: { status: 415, title: 'The content encoding is not supported' },
  expectation_failed: { status: 417, title: 'The expectation can not be met' },
  rate_limited: { status: 429, title: 'Too many requests' },
  share_exceeded: { status: 429, title: 'Too much at once with one API key' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal: { status: 500, title: 'Something went wrong on our side' },
  unsupported_transfer_coding: { status: 501, title: 'The transfer coding is not supported' },
  log_unavailable: { status: 503, title: 'The event log is not available' },
  overloaded: { status: 503, title: 'Too much work is waiting' },
  not_ready: { status: 503, title: 'Not ready yet' },
  shutting_down: { status: 503, title: 'Shutting down' },
  store_unavailable: { status: 503, title: 'A store is not available' },
  query_timeout: { status: 503, title: 'The query took too long' },
  usage_damaged: { status: 503, title: 'Stored usage can’t be read' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problemCodes;

export interface ProblemExtras {
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the document, such as `rejected`. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Thrown anywhere below a route, pure rules included; the HTTP server turns it into the answer. */
export class Problem extends Error {
  readonly status: number;
  readonly code: ProblemCode;
  /** What is wrong with this request, and what to do about it: for a person to read. */
  readonly detail: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.name = 'Problem';
    this.status = problemCodes[code].status;
    this.code = code;
    this.detail = detail;
    this.headers = extras.headers ?? {};
    this.members = extras.members ?? {};
  }

  /** The document as it is sent. */
  document(requestId: string): Record<string, unknown> {
    return {
      type: `urn:tallyline:problem:${this.code}`,
      title: problemCodes[this.code].title,
      status: this.status,
      code: this.code,
      detail: this.detail,
      requestId,
      ...this.members,
    };
  }
}

/** The header of a refusal that may be tried again: whole seconds, at least one. */
export const retryAfter = (seconds: number): Record<string, string> => ({
  'retry-after': String(Math.max(1, Math.ceil(seconds))),
});
