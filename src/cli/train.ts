import { basename, dirname, join, resolve } from "node:path";
import { finishModel, train, type TrainProgress } from "../index.js";
import { countOf, deviceOf, given, parseCommand, textOf } from "./arguments.js";
import { printable, UsageError, write, type CliIo } from "./io.js";
import { durationText } from "./quantities.js";

export const trainHelp = `ramplus train CONFIG [options]

Trains by a configuration file and writes a model folder, model/, into the run's folder, and thresholds.json: how each tag came to its
threshold, and how often it was right above it.

  --out DIR             folder of the run: state, log, caches, the model (default: runs/NAME beside where you are)
  --resume              go on from the last saved state
  --device DEVICE       cpu (default), webgpu or cuda where ONNX Runtime offers them
  --threads N           CPU threads of the training step (default: all cores)
`;

const options = {
  out: { type: "string" },
  resume: { type: "boolean" },
  device: { type: "string" },
  threads: { type: "string" },
} as const;

/** One line of progress. */
function progressLine({ phase, step, steps, losses, imagesPerSecond, secondsLeft, validation }: TrainProgress): string {
  const terms = Object.entries(losses).map(([name, value]) => `${name} ${value.toPrecision(4)}`);
  const checked = validation === undefined ? [] : [`validation mAP ${validation.toFixed(4)}`];
  return [`${phase} ${step}/${steps}`, ...terms, `${imagesPerSecond.toFixed(1)} images/s`, `${durationText(secondsLeft)} left`, ...checked].join("  ");
}

/** `ramplus train`. */
export async function trainCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("train", args, options);
  const [config] = positionals;
  if (config === undefined || positionals.length > 1) throw new UsageError("train needs one CONFIG (ramplus train --help)");
  const out = textOf(values["out"]) ?? join("runs", basename(dirname(resolve(config))));
  const terminal = io.stderr.isTTY === true;
  const running = given({ device: deviceOf(values["device"]) ?? ("cpu" as const), threads: countOf("threads", values["threads"]) });
  let lastLine = 0;
  const result = await train(config, {
    out,
    resume: values["resume"] === true,
    ...running,
    signal: io.signal,
    onUnreadable: (message) => void io.stderr.write(`ramplus: ${printable(message)}\n`),
    onProgress: (progress) => {
      const encoding = progress.phase === "encoding photos";
      // Encoding reports often: into a file, a line every ten seconds is enough.
      if (encoding && !terminal && performance.now() - lastLine < 10_000) return;
      lastLine = performance.now();
      io.stderr.write(terminal && encoding ? `\r${progressLine(progress)}` : `${progressLine(progress)}\n`);
    },
  });
  const folder = join(out, "model");
  await finishModel(result, folder, { ...running, report: join(out, "thresholds.json") });
  await write(io.stdout, `${folder}\n`);
  return 0;
}
