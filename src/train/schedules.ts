/** Learning rate at an epoch of a cosine from `initial` to `minimum`; it rises again beyond `maxEpoch`. */
export function cosineRate(epoch: number, maxEpoch: number, initial: number, minimum: number): number {
  return (initial - minimum) * 0.5 * (1 + Math.cos((Math.PI * epoch) / maxEpoch)) + minimum;
}

/** Learning rate at a step of a linear warm-up. */
export function warmupRate(step: number, maxStep: number, start: number, end: number): number {
  return Math.min(end, start + ((end - start) * step) / maxStep);
}

/** Learning rate at an epoch of an exponential decay. */
export function stepRate(epoch: number, initial: number, minimum: number, decayRate: number): number {
  return Math.max(minimum, initial * decayRate ** epoch);
}

export interface RateSchedule {
  readonly steps: number;
  /** Steps of linear warm-up from 0. */
  readonly warmup: number;
  readonly peak: number;
  readonly minimum: number;
}

/** Learning rate at a step: linear warm-up, then a cosine to the minimum at the last step. */
export function learningRate(step: number, { steps, warmup, peak, minimum }: RateSchedule): number {
  if (step < warmup) return warmupRate(step + 1, warmup, 0, peak);
  return cosineRate(step - warmup, Math.max(1, steps - warmup), peak, minimum);
}
