import { RamplusError } from "../error.js";

export type DescribeErrorCode =
  | "bad-option" | "bad-endpoint" | "no-key" | "bad-key" | "exists" | "bad-journal" | "journal-mismatch"
  | "unauthorised" | "no-such-model" | "quota-exhausted" | "redirected" | "request-refused"
  | "rate-limited" | "server-failed" | "unreachable" | "bad-answer";

/** Descriptions that cannot be asked for, or a server's answer that is none. No message holds a key. */
export class DescribeError extends RamplusError {
  override readonly name = "DescribeError";
  constructor(
    readonly code: DescribeErrorCode,
    message: string,
    /** How long the server wants to be left alone, in milliseconds. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** Whether the same request may succeed later. */
export function isPassing({ code }: DescribeError): boolean {
  return code === "rate-limited" || code === "server-failed" || code === "unreachable" || code === "bad-answer";
}

/** Whether every other request would fail in the same way, so that going on is no use. */
export function stopsAll({ code }: DescribeError): boolean {
  return code === "unauthorised" || code === "no-such-model" || code === "quota-exhausted" || code === "redirected" || code === "unreachable";
}
