import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../tensor/random.js";
import type { ChatClient, ChatReply, ChatRequest } from "./chat-client.js";
import { DescribeError, isPassing } from "./describe-error.js";

/** Time, replaceable in tests. */
export interface Clock {
  /** Milliseconds from any start. */
  now(): number;
  /** Resolves after some milliseconds; rejects with the signal's reason when aborted. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  async wait(ms, signal) {
    await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    signal?.throwIfAborted();
  },
};

export interface RetryOptions {
  /** Requests at most for one reply. */
  readonly attempts: number;
  readonly clock: Clock;
  readonly random: Random;
}

const [firstPause, longestPause] = [500, 60_000];
/** A server that wants to be left alone for longer is left alone: what was answered is kept. */
const longestRetryAfter = 600_000;

/**
 * A client that asks again what may succeed later: after the time that the server names, else after 0.5 s, 1 s, 2 s ... up to a minute,
 * each shortened at random by up to half so that requests do not come in step. While a server says that there are too many requests, none
 * of the client's requests goes out.
 */
export function retryingClient(client: ChatClient, { attempts, clock, random }: RetryOptions): ChatClient {
  let closedUntil = -Infinity;
  const ask = async (request: ChatRequest, signal?: AbortSignal): Promise<ChatReply> => {
    for (let attempt = 1; ; attempt++) {
      for (let left = closedUntil - clock.now(); left > 0; left = closedUntil - clock.now()) await clock.wait(left, signal);
      signal?.throwIfAborted();
      try {
        return await client.ask(request, signal);
      } catch (error) {
        if (!(error instanceof DescribeError) || !isPassing(error) || attempt === attempts) throw error;
        const { code, retryAfter = 0 } = error;
        if (retryAfter > longestRetryAfter) throw error;
        const pause = Math.max(retryAfter, Math.min(longestPause, firstPause * 2 ** (attempt - 1)) * (1 - random() / 2));
        if (code === "rate-limited") closedUntil = Math.max(closedUntil, clock.now() + pause);
        else await clock.wait(pause, signal);
      }
    }
  };
  return { ask };
}
