import type { TrainProgress } from "../index.js";
import type { CliIo } from "./io.js";
import { durationText } from "./quantities.js";

/** Tells of a run in phases: one line written over on a terminal, else a line every ten seconds and at each validation. */
export function trainingProgress(io: CliIo): (progress: TrainProgress) => void {
  const terminal = io.stderr.isTTY === true;
  let last = 0;
  return ({ phase, step, steps, losses, secondsLeft, validation }) => {
    if (validation === undefined && performance.now() - last < (terminal ? 500 : 10_000)) return;
    last = performance.now();
    const loss = losses["loss"] === undefined ? "" : `  loss ${losses["loss"].toPrecision(4)}`;
    const line = `${phase} ${step}/${steps}${loss}  ${durationText(secondsLeft)} left${validation === undefined ? "" : `  validation mAP ${validation.toFixed(4)}`}`;
    io.stderr.write(terminal && validation === undefined ? `\r${line}\u001b[K` : `${terminal ? "\r" : ""}${line}${terminal ? "\u001b[K" : ""}\n`);
  };
}
