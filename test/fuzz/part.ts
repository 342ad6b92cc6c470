import type { Arbitrary } from "fast-check";

/** A file of hostile content that has a name, and how reading it must end. */
export interface NamedInput {
  readonly what: string;
  /** The content, or what makes it when it is read. */
  readonly bytes: Uint8Array | (() => Uint8Array);
  /** Code of the error, or "read". @default a result or any coded error */
  readonly ends?: string;
  /** Takes seconds: read in the longer run only. @default false */
  readonly slow?: boolean;
}

/** A valid file that damaged ones are made of. */
export interface OriginalInput {
  readonly what: string;
  readonly bytes: Uint8Array;
}

/** One reader under test: what it is fed, and what it may take. */
export interface FuzzPart {
  readonly name: string;
  /** Name of the file that each input is written to. */
  readonly fileName: string;
  /** Most memory that the process may have held at its peak, in MiB, the program itself (some 100) included. */
  readonly peak: number;
  /** How many random inputs of each kind the quick suite reads; 0: the part belongs to the longer run only. */
  readonly runs: number;
  /** Hostile files that are read once. */
  readonly named?: () => Promise<readonly NamedInput[]> | readonly NamedInput[];
  /** Valid files: read whole, cut off at many lengths, damaged and joined. */
  readonly originals?: () => Promise<readonly OriginalInput[]> | readonly OriginalInput[];
  /** Hostile files of the format's own structure. */
  readonly structured?: () => Arbitrary<Uint8Array>;
  /** Makes checksums right again, so that damage reaches what lies behind them. */
  readonly repair?: (bytes: Uint8Array) => Uint8Array;
  /** Writes what must lie beside the file. */
  readonly prepare?: (folder: string) => Promise<void>;
  /** Reads the file. An error that is no RamplusError is a fault; so is a result that does not hold together. */
  readonly read: (file: string) => Promise<void>;
}
