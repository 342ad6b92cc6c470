import { RamplusError } from "../error.js";

export type HubErrorCode =
  | "bad-option"
  | "offline"
  | "unreachable"
  | "connection-lost"
  | "stalled"
  | "unauthorized"
  | "forbidden"
  | "not-found"
  | "rate-limited"
  | "server-error"
  | "refused"
  | "bad-redirect"
  | "bad-answer"
  | "wrong-size"
  | "wrong-hash"
  | "too-large"
  | "disk-full"
  | "not-writable"
  | "busy"
  | "bad-archive"
  | "unsupported-platform"
  | "runtime-missing";

/** Faults that pass by themselves: worth another try. */
const passing: readonly HubErrorCode[] = ["unreachable", "connection-lost", "stalled", "rate-limited", "server-error"];

export interface HubErrorOptions extends ErrorOptions {
  /** Seconds that the server asks to wait before the next try. */
  readonly retryAfter?: number;
  /** Whether another try may help. @default by the code */
  readonly passes?: boolean;
}

/** A download that cannot be had, or a cache that cannot be written. Never carries a token, nor the signature of a signed address. */
export class HubError extends RamplusError {
  override readonly name = "HubError";
  readonly retryAfter: number | null;
  readonly passes: boolean;
  constructor(
    readonly code: HubErrorCode,
    /** The file, address or option at fault. */
    readonly subject: string,
    problem: string,
    { retryAfter, passes, ...options }: HubErrorOptions = {},
  ) {
    super(`${subject}: ${problem}`, options);
    this.retryAfter = retryAfter ?? null;
    this.passes = passes ?? passing.includes(code);
  }
}
