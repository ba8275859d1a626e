// The events that were decided and are not rows yet, in the order of their decisions.

import type { AcceptedEvent, DecidedEvents, RejectedEvent } from './partition-state.ts';
export class DecidedList implements DecidedEvents {
  private accepted: AcceptedEvent[] = [];
  private rejected: RejectedEvent[] = [];

  get size(): number {
    return this.accepted.length + this.rejected.length;
  }

  accept(event: AcceptedEvent): void {
    this.accepted.push(event);
  }

  reject(event: RejectedEvent): void {
    this.rejected.push(event);
  }

  /** The events since the last call, for the rows of usage_events and event_rejects. */
  take(): { accepted: AcceptedEvent[]; rejected: RejectedEvent[] } {
    const { accepted, rejected } = this;
    this.accepted = [];
    this.rejected = [];
    return { accepted, rejected };
  }
}
