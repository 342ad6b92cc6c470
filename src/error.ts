/** Base of every error that this package throws on purpose: a stable `code` for programs, a message for people. */
export abstract class RamplusError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    // A name or value out of a hostile file may be of any length.
    super(message.length > longestMessage ? `${message.slice(0, longestMessage)} [...]` : message, options);
  }
}

const longestMessage = 10_000;
