// What is wrong with a request to the read API, as a value of the pure core; the HTTP side turns it into a problem document
// with the same code.

export type QueryFaultCode =
  | 'invalid_parameter'
  | 'unknown_dimension'
  | 'window_too_small'
  | 'range_misaligned'
  | 'timezone_misaligned'
  | 'result_too_large'
  | 'invalid_cursor';

export class QueryFault extends Error {
  readonly code: QueryFaultCode;

  constructor(code: QueryFaultCode, message: string) {
    super(message);
    this.name = 'QueryFault';
    this.code = code;
  }
}
