// Runs the admission of large bodies a part at a time, so that none of them keeps the process from its other requests.
// What holds always: between two parts the event loop goes round once, however many bodies wait; tenants take turns,
// part by part; and of each tenant one body is under way, so that what a body takes beyond its bytes is held once a
// tenant.

/** Does the next part of a body; true: that was the last. */
type Step = () => boolean;

/** Calls back once the event loop has gone round. */
export type Defer = (step: () => void) => void;

export class AdmissionTurns {
  private readonly defer: Defer;
  /** In the order of their turns; none of the lists is empty. */
  private readonly waiting = new Map<string, Step[]>();
  private isUnderWay = false;

  constructor(defer: Defer = setImmediate) {
    this.defer = defer;
  }

  /** What the work returns, or throws. */
  run<Result>(tenant: string, parts: Iterator<undefined, Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const step: Step = () => {
        try {
          const part = parts.next();
          if (part.done === true) resolve(part.value);
          return part.done === true;
        } catch (error) {
          reject(error);
          return true;
        }
      };
      const steps = this.waiting.get(tenant);
      if (steps === undefined) this.waiting.set(tenant, [step]);
      else steps.push(step);
      if (!this.isUnderWay) this.next();
    });
  }

  private next(): void {
    this.isUnderWay = this.waiting.size > 0;
    if (this.isUnderWay) this.defer(() => this.takeTurn());
  }

  private takeTurn(): void {
    const [tenant, steps] = this.waiting.entries().next().value!;
    this.waiting.delete(tenant);
    if (steps[0]!()) steps.shift();
    // Behind all others.
    if (steps.length > 0) this.waiting.set(tenant, steps);
    this.next();
  }
}
