import { calibrateModel, calibrationFile, Tagger, writeCalibration, type CalibratedModel, type CalibratedTag, type CalibrationSource, type PrecisionRecallF1, type ThresholdTarget } from "../index.js";
import { choiceOf, countOf, deviceOf, given, parseCommand, precisionOf, textOf, type Parsed } from "./arguments.js";
import { printable, UsageError, write, type CliIo } from "./io.js";
import { columns } from "./quantities.js";
import { banksOf } from "./tag.js";
import { listOf } from "./vocab.js";

export const calibrateHelp = `ramplus calibrate MODEL PHOTOS --labels FILE [options]
ramplus calibrate MODEL SET... [--split NAME] [options]
ramplus calibrate MODEL --reviewed FILE [options]

Fits the threshold of each tag to labelled photos, and shows what it does on photos left out of the fitting. ramplus tag uses
the calibration that lies beside its model.

  --labels FILE         tags of the photos of a folder, as for ramplus eval
  --split NAME          split of sets (default: val)
  --reviewed FILE       output of ramplus tag --format json or jsonl, with "right": true or false set on tags by a person
  --for TARGET          f1 (default), precision=P (the most recall at that precision) or recall=R (the most precision)
  --probabilities       fit a map from scores to probabilities too; ramplus tag --format json then has "probability"
  --least N             photos that show a tag, and that do not, below which it keeps its threshold (default: 10)
  --folds N             parts for the cross-validation (default: 5)
  --out FILE            where the calibration goes (default: calibration.json in the model folder); ramplus tag --calibration FILE
  --dry-run             fit and show, write nothing
  --vocab NAME,...      the tags of these banks; built-in,NAME adds the model's own
  --limit N, --no-orient, --device, --dtype, --cache    as for ramplus eval
  --format FORMAT       text (default) or json, on standard output

Exit codes: 0 calibrated, 1 some photos are missing or could not be read, 2 wrong usage, 3 model unusable, 130 interrupted.
`;

const options = {
  labels: { type: "string" },
  split: { type: "string" },
  reviewed: { type: "string" },
  for: { type: "string" },
  probabilities: { type: "boolean" },
  least: { type: "string" },
  folds: { type: "string" },
  out: { type: "string" },
  "dry-run": { type: "boolean" },
  vocab: { type: "string" },
  limit: { type: "string" },
  "no-orient": { type: "boolean" },
  device: { type: "string" },
  dtype: { type: "string" },
  cache: { type: "string" },
  format: { type: "string" },
} as const;

type Values = Parsed["values"];

/** `ramplus calibrate`. */
export async function calibrateCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("calibrate", args, options);
  const [model, ...places] = positionals;
  if (model === undefined) throw new UsageError("calibrate needs a MODEL and labelled photos (ramplus calibrate --help)");
  const sources = sourcesOf(places, values);
  const target = targetOf(textOf(values["for"]));
  const format = choiceOf("format", values["format"], ["text", "json"]) ?? "text";
  const fitting = given({ least: countOf("least", values["least"]), folds: countOf("folds", values["folds"], 100), limit: countOf("limit", values["limit"]) });
  const notice = (line: string): void => void io.stderr.write(`ramplus: ${line}\n`);
  const terminal = io.stderr.isTTY === true;
  // A calibration that is there already has no part in a new one.
  await using tagger = await Tagger.load(model, { ...given({ device: deviceOf(values["device"]), dtype: precisionOf(values["dtype"]), cache: textOf(values["cache"]) }), calibration: null, onNotice: notice, signal: io.signal });
  const result = await calibrateModel(tagger, sources, {
    ...fitting,
    target,
    probabilities: values["probabilities"] === true,
    choice: await banksOf(listOf(values["vocab"])),
    orient: values["no-orient"] !== true,
    signal: io.signal,
    onProgress: (done, total) => void (terminal && io.stderr.write(done === total ? "\r\u001b[K" : `\r${done} of ${total} photos`)),
  });
  const file = textOf(values["out"]) ?? calibrationFile(tagger.folder);
  const writes = values["dry-run"] !== true;
  if (writes) await writeCalibration(file, result.calibration);
  if (format === "json") await write(io.stdout, `${JSON.stringify({ ...result.report, target: result.calibration.target, photos: result.calibration.photos, lacking: result.lacking, missing: result.missing, failed: result.failed, file: writes ? file : null }, null, 2)}\n`);
  else await write(io.stdout, `${reportText(result)}${writes ? `${printable(file)}\n` : ""}`);
  for (const { photo, message } of result.failed) notice(`${printable(photo)}: ${printable(message)}`);
  if (result.missing.length > 0) notice(`labelled photos that are not there: ${result.missing.length}: ${printable(result.missing.slice(0, 5).join(", "))}${result.missing.length > 5 ? ", ..." : ""}`);
  return result.failed.length + result.missing.length > 0 ? 1 : 0;
}

function sourcesOf(places: readonly string[], values: Values): CalibrationSource[] {
  const [labels, reviewed] = [textOf(values["labels"]), textOf(values["reviewed"])];
  if (reviewed !== undefined) {
    if (places.length > 0 || labels !== undefined) throw new UsageError("--reviewed takes the scores from its file: give no photos");
    return [{ kind: "reviewed", file: reviewed }];
  }
  if (places.length === 0) throw new UsageError("calibrate needs PHOTOS with --labels FILE, a SET, or --reviewed FILE");
  if (labels === undefined) return places.map((folder) => ({ kind: "set", folder, split: textOf(values["split"]) ?? "val" }));
  if (places.length > 1) throw new UsageError("--labels is for one folder of PHOTOS");
  return [{ kind: "folder", folder: places[0]!, labels }];
}

function targetOf(value: string | undefined): ThresholdTarget {
  if (value === undefined || value === "f1") return { kind: "f1" };
  const [, kind, number] = /^(precision|recall)=(\d*\.?\d+)$/.exec(value) ?? [];
  if ((kind !== "precision" && kind !== "recall") || !(Number(number) > 0 && Number(number) <= 1)) throw new UsageError(`--for ${value}: expected f1, precision=P or recall=R, from 0 to 1`);
  return { kind, value: Number(number) };
}

const n = (value: number): string => value.toFixed(3);
const figures = ({ precision, recall, f1 }: PrecisionRecallF1): string => `precision ${n(precision)}, recall ${n(recall)}, F1 ${n(f1)}`;

function reportText({ calibration, report, lacking }: CalibratedModel): string {
  const of = (outcome: CalibratedTag["outcome"]): CalibratedTag[] => report.tags.filter((tag) => tag.outcome === outcome);
  const list = (tags: readonly CalibratedTag[], most = 12): string => printable(tags.slice(0, most).map(({ en, positives }) => `${en} (${positives})`).join(", ")) + (tags.length > most ? `, and ${tags.length - most} more` : "");
  const lines = [
    `${calibration.photos} photos, ${report.tags.length} tags, for ${calibration.target}; on photos left out, in ${report.folds} parts:`,
    `  before   ${figures(report.overall.before)}; mean F1 of the tags ${n(report.meanF1.before)}`,
    `  after    ${figures(report.overall.after)}; mean F1 of the tags ${n(report.meanF1.after)}`,
  ];
  if (report.brier !== undefined) lines.push(`  squared error of probabilities: ${report.brier.before.toFixed(4)} as the scores are, ${report.brier.after.toFixed(4)} by the map`);
  lines.push(`fitted       ${of("fitted").length} tags`);
  for (const [outcome, what] of [
    ["no better", "no better    keep their threshold, than which the fitted one did no better on photos left out"],
    ["not reached", "not reached  keep their threshold: none serves"],
    ["few", "too few      keep their threshold: photos that show them in brackets"],
  ] as const) if (of(outcome).length > 0) lines.push(`${what}: ${list(of(outcome))}`);
  if (lacking.length > 0) lines.push(`no tag       ${printable(lacking.slice(0, 12).join(", "))}${lacking.length > 12 ? `, and ${lacking.length - 12} more` : ""}`);
  const fitted = of("fitted").sort((a, b) => b.after.f1 - b.before.f1 - (a.after.f1 - a.before.f1));
  const rows = fitted.map(({ en, positives, old, threshold, before, after }) => [`  ${printable(en).slice(0, 30)}`, String(positives), old === null ? "off" : n(old), n(threshold!), n(before.precision), n(before.recall), n(before.f1), n(after.precision), n(after.recall), n(after.f1)]);
  const table = rows.length === 0 ? "" : columns([["  tag", "photos", "old", "new", "P", "R", "F1", "P after", "R after", "F1 after"], ...rows], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  return `${lines.join("\n")}\n${table}`;
}
