import { findModel, finetune, type FinetuneResult } from "../index.js";
import { choiceOf, countOf, deviceOf, given, parseCommand, textOf } from "./arguments.js";
import { printable, UsageError, write, type CliIo } from "./io.js";
import { columns } from "./quantities.js";
import { trainingProgress } from "./training-progress.js";

export const finetuneHelp = `ramplus finetune MODEL PHOTOS --labels FILE --out DIR [options]
ramplus finetune MODEL SET --out DIR [options]

Trains a model further on labelled photos (as for ramplus eval), or on the train split of a set of tar shards. Labels that are no
tags become tags. Some photos are kept out: the best weights by these are taken, thresholds are fitted to them, and the report
is of them. DIR/model is the new model.

  --labels FILE         tags of the photos of a folder
  --out DIR             folder of the run; --resume goes on in it after an interruption
  --whole               train the encoder too, after the head (slower; for photos unlike those that the model knows)
  --epochs N            times that each photo is seen at most (default: 30 for the head, 10 for the whole)
  --patience N          validations, one an epoch, without a better one before it stops (default: 3)
  --held-out SHARE      photos kept out (default: 0.15)
  --rate R              highest learning rate of the head (default: 0.001; over Swin 0.0001)
  --seed N              (default: 1)
  --device, --threads   as for ramplus train
  --format FORMAT       text (default) or json, on standard output

Of models over Swin, as the official RAM++, the head trains alone, on image embeddings that are made once of each photo and kept in DIR.
`;

const options = {
  labels: { type: "string" },
  out: { type: "string" },
  resume: { type: "boolean" },
  whole: { type: "boolean" },
  epochs: { type: "string" },
  patience: { type: "string" },
  "held-out": { type: "string" },
  rate: { type: "string" },
  seed: { type: "string" },
  device: { type: "string" },
  threads: { type: "string" },
  format: { type: "string" },
} as const;

function numberOf(name: string, value: string | boolean | undefined, most: number): number | undefined {
  if (value === undefined) return undefined;
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : NaN;
  if (!(number > 0 && number < most)) throw new UsageError(`--${name} ${String(value)}: expected a number between 0 and ${most}`);
  return number;
}

/** `ramplus finetune`. */
export async function finetuneCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("finetune", args, options);
  const [model, photos] = positionals;
  const out = textOf(values["out"]);
  if (model === undefined || photos === undefined || positionals.length > 2) throw new UsageError("finetune needs a MODEL and PHOTOS with --labels FILE, or a SET (ramplus finetune --help)");
  if (out === undefined) throw new UsageError("finetune needs --out DIR");
  const format = choiceOf("format", values["format"], ["text", "json"]) ?? "text";
  const result = await finetune(findModel(model), photos, {
    out,
    resume: values["resume"] === true,
    whole: values["whole"] === true,
    device: deviceOf(values["device"]) ?? "cpu",
    ...given({ labels: textOf(values["labels"]), epochs: countOf("epochs", values["epochs"]), patience: countOf("patience", values["patience"]), seed: countOf("seed", values["seed"]), threads: countOf("threads", values["threads"]) }),
    ...given({ heldOut: numberOf("held-out", values["held-out"], 1), rate: numberOf("rate", values["rate"], 1) }),
    signal: io.signal,
    onUnreadable: (message) => void io.stderr.write(`ramplus: ${printable(message)}\n`),
    onProgress: trainingProgress(io),
  });
  await write(io.stdout, format === "json" ? `${JSON.stringify(result, null, 2)}\n` : reportText(result));
  return 0;
}

const n = (value: number | null): string => (value === null ? "-" : value.toFixed(3));

function reportText({ folder, photos, heldOut, map, tags }: FinetuneResult): string {
  const added = tags.filter((tag) => tag.added);
  const rows = [...tags].sort((a, b) => b.positives - a.positives).slice(0, 40).map(({ en, added: isNew, positives, before, after }) => [`  ${printable(en).slice(0, 40)}`, String(positives), isNew ? "new" : n(before), n(after)]);
  return [
    `${photos} photos, ${heldOut} of them kept out; on these:\n`,
    `  mAP of the tags that were there before   ${n(map.before)} before, ${n(map.after)} after\n`,
    added.length > 0 ? `  mAP with the ${added.length} new ${added.length === 1 ? "tag" : "tags"}                 ${n(map.afterAll)}\n` : "",
    columns([["  tag", "photos", "AP before", "after"], ...rows], [1, 2, 3]),
    `${printable(folder)}\n`,
  ].join("");
}
