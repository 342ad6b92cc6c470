import { setTimeout as sleep } from "node:timers/promises";
import { HubError } from "./hub-error.js";

/** How long a server is waited for, and how often it is asked again. Times in milliseconds. */
export interface Timing {
  /** Until a connection stands, and again until an answer begins. */
  readonly answer: number;
  /** A transfer is given up when fewer than `leastBytes` came in this time. */
  readonly stall: number;
  readonly leastBytes: number;
  /** Tries in a row that bring nothing. */
  readonly attempts: number;
  /** Pause after the first of them; each further one is twice as long, up to `longestPause`. */
  readonly pause: number;
  readonly longestPause: number;
  /** The longest wait that a server may ask for. */
  readonly longestRetryAfter: number;
  wait(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export const usualTiming: Timing = {
  answer: 30_000,
  stall: 30_000,
  leastBytes: 30 * 1024,
  attempts: 6,
  pause: 1000,
  longestPause: 30_000,
  longestRetryAfter: 300_000,
  wait: (milliseconds, signal) => sleep(milliseconds, undefined, signal === undefined ? {} : { signal }),
};

/**
 * Runs until it succeeds, as long as the fault is one that passes: pauses double, and the wait that a server asks for is kept.
 * `run` calls `gained` when a try brought something, which counts the tries anew. Throws the last fault.
 */
export async function withRetries<T>(timing: Timing, signal: AbortSignal | undefined, run: (gained: () => void) => Promise<T>): Promise<T> {
  for (let failed = 0; ; ) {
    try {
      return await run(() => (failed = 0));
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof HubError) || !error.passes || ++failed >= timing.attempts) throw error;
      const asked = (error.retryAfter ?? 0) * 1000;
      if (asked > timing.longestRetryAfter) throw error;
      await timing.wait(Math.max(asked, Math.min(timing.pause * 2 ** (failed - 1), timing.longestPause)), signal);
      signal?.throwIfAborted();
    }
  }
}
