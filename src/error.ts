/** Base of every error that this package throws on purpose: a stable `code` for programs, a message for people. */
export abstract class RamplusError extends Error {
  abstract readonly code: string;
}
