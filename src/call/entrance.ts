import type { AdmissionGate } from '../admission/admission-gate.ts';
import type { Entrant } from '../admission/waiting-line.ts';
import { SideboardError } from '../errors.ts';
import type { Admission } from './request-call.ts';
import type { RequestTrace, RequestTracing, TracedCall } from './request-trace.ts';

/** What an entrance is made of. */
export interface EntranceOptions {
  readonly maxConcurrentRequests: number;
  /** Lets in `measured` calls; without it they are as many as `maxConcurrentRequests`. */
  readonly gate?: AdmissionGate | undefined;
  readonly observer: EntranceObserver;
}

/** What is told of who is in. All entrances of a server share it. */
export interface EntranceObserver {
  /** Calls being answered now, by all protocols together; changed by entrances alone. */
  inFlightCount: number;
  /** Decides which calls are traced; absent = none. */
  readonly tracing?: RequestTracing | undefined;
}

/** A call that asks to be answered. */
export interface EnteringCall extends TracedCall {
  trace: RequestTrace | undefined;
}

/** The time of those who did not have to pass a gate. */
const NO_GATE = -1;

/** The way in of every call that is answered with one message, whatever its protocol. Who was let in has to `leave`. */
export class Entrance {
  private readonly options: EntranceOptions;

  constructor(options: EntranceOptions) {
    this.options = options;
  }

  /** It is worth the while to ask `turnAway` of `measured` calls. */
  get isCrowded(): boolean {
    return this.options.gate?.isCrowded === true;
  }

  /** Refuses a `measured` call of which only the head is here; `undefined` = it may `enter`, and may be refused then. */
  turnAway(): SideboardError | undefined {
    return this.options.gate?.turnAway(performance.now());
  }

  /** Lets a call in, now or later, or refuses it. */
  enter(entrant: Entrant, admission: Admission | undefined): void {
    const { gate, observer, maxConcurrentRequests } = this.options;
    if (admission === 'measured' && gate !== undefined) {
      gate.enter(entrant, performance.now());
    } else if (admission !== 'always' && observer.inFlightCount >= maxConcurrentRequests) {
      entrant.refuse(tooMany(maxConcurrentRequests));
    } else {
      entrant.letIn(NO_GATE);
    }
  }

  /** A call was let in, and is being answered from here on. */
  begin(call: EnteringCall): void {
    const { observer } = this.options;
    observer.inFlightCount += 1;
    if (observer.tracing !== undefined) call.trace = observer.tracing.begin(call);
  }

  /**
   * A call that was let in is over.
   *
   * @param enteredAtMs what `letIn` was told
   * @param isMeasured false = how long it took says nothing, as of a caller who went away
   */
  leave(nowMs: number, enteredAtMs: number, isMeasured: boolean): void {
    const { gate, observer } = this.options;
    observer.inFlightCount -= 1;
    if (enteredAtMs !== NO_GATE) gate?.leave(nowMs, enteredAtMs, isMeasured);
  }

  /** A call was let in that is over already. @param enteredAtMs what `letIn` was told */
  turnBack(enteredAtMs: number): void {
    if (enteredAtMs !== NO_GATE) this.options.gate?.leave(enteredAtMs, enteredAtMs, false);
  }

  /** A call that may be waiting is over. */
  withdraw(entrant: Entrant): void {
    if (entrant.place !== undefined) this.options.gate?.withdraw(entrant, performance.now());
  }
}

function tooMany(count: number): SideboardError {
  return new SideboardError(
    'OVERLOADED',
    `${count} requests are being answered already (max_concurrent_requests)`,
  );
}
