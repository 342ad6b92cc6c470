import type { SessionOptions } from "../runtime/device.js";

export interface TrainOptions extends SessionOptions {
  /** Folder of the run: state, log and caches. */
  readonly out: string;
  /** Go on from the state in `out`; without it, a state there is an error. @default false */
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
  /** Told of each photo that cannot be read and is left out of a step. */
  readonly onUnreadable?: (message: string) => void;
  /** Told after every `logEvery` steps and at the end of each phase. */
  readonly onProgress?: (progress: TrainProgress) => void;
}

export interface TrainProgress {
  readonly phase: string;
  /** Steps done in this phase, and its number of steps. */
  readonly step: number;
  readonly steps: number;
  /** Means since the last report: `loss` and its terms. */
  readonly losses: Readonly<Record<string, number>>;
  readonly imagesPerSecond: number;
  /** Time left in this phase, in seconds. */
  readonly secondsLeft: number;
  /** Mean average precision on held-out photos, at the end of a phase. */
  readonly validation?: number;
}
