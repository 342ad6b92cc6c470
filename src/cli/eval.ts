import { join } from "node:path";
import { benchmarkNames, evaluateBenchmark, evaluateCaptions, evaluateFolder, evaluateSet, loadHypernyms, openSetThreshold, readGroups, Tagger, type EvaluateOptions, type Evaluation, type Grouping, type MeanFigures, type SetReport } from "../index.js";
import { choiceOf, countOf, deviceOf, given, parseCommand, precisionOf, textOf, type Parsed } from "./arguments.js";
import { printable, UsageError, write, type CliIo } from "./io.js";
import { columns, durationText } from "./quantities.js";
import { banksOf, calibrationOf, thresholdOf } from "./tag.js";
import { listOf } from "./vocab.js";

export const evalHelp = `ramplus eval MODEL PHOTOS --labels FILE [options]
ramplus eval MODEL SET [--split NAME] [options]
ramplus eval MODEL --benchmark NAME --annotations DIR --photos DIR [options]

Tags labelled photos and compares: mAP, AP, precision, recall and F1 at the thresholds, the best thresholds, break-even.

What is measured:
  PHOTOS --labels FILE  a folder of photos, and their tags. CSV: photo,tag,tag... on each line, or columns "file" and "tags",
                        the latter separated by | or ;. JSON: {"photo": ["tag", ...]} or [{"file": "photo", "tags": [...]}]
  SET                   a folder of tar shards with labels.json; --split NAME (default: val)
    --captions          by the tags that its captions name, those of ten photos and more, in the place of its classes
  --benchmark NAME      one of the reference's: ${benchmarkNames.join(", ")}
    --annotations DIR   its files, datasets/ of the reference's repository
    --photos DIR        the photos, which come from OpenImages, ImageNet and HICO
  --limit N             the first N photos only

What they are held against:
  --vocab NAME,...      the tags of these banks (ramplus vocab); built-in,NAME adds the model's own
  --open-set            as the reference's open set: the tags of --vocab alone, threshold 0.5 for all
  --threshold T         official (default: each tag's own) or a number from 0 to 1 for all tags
  --calibration FILE    as for ramplus tag
  --no-orient           do not turn photos by their EXIF orientation (a benchmark's photos never are)
  --device, --dtype, --batch, --cache    as for ramplus tag

What comes out:
  --out DIR             report.html, report.json, and the reference's summary.txt, ap.txt, pr.txt, pred.txt; also the scores,
                        with which the same command goes on after an interruption
  --force               score all photos again
  --groups GROUPS       figures for groups of tags too: a JSON file {"group": ["tag", ...]}, parents, or hypernyms
  --hypernyms FILE      WordNet hypernyms, for --groups hypernyms, and to tell how often a class of a SET or an ancestor of it
                        comes among the first tags
  --format FORMAT       text (default) or json, on standard output

Exit codes: 0 all scored, 1 some photos are missing or could not be read, 2 wrong usage, 3 model unusable, 130 interrupted.
`;

const options = {
  labels: { type: "string" },
  split: { type: "string" },
  captions: { type: "boolean" },
  benchmark: { type: "string" },
  annotations: { type: "string" },
  photos: { type: "string" },
  limit: { type: "string" },
  vocab: { type: "string" },
  "open-set": { type: "boolean" },
  threshold: { type: "string" },
  calibration: { type: "string" },
  "no-orient": { type: "boolean" },
  out: { type: "string" },
  force: { type: "boolean" },
  groups: { type: "string" },
  hypernyms: { type: "string" },
  format: { type: "string" },
  device: { type: "string" },
  dtype: { type: "string" },
  batch: { type: "string" },
  cache: { type: "string" },
} as const;

type Values = Parsed["values"];

const n = (value: number): string => value.toFixed(3);
const count = (value: number, word: string): string => `${value} ${word}${value === 1 ? "" : "s"}`;

/** Names for a line: the first of them. */
function some(names: readonly string[], most = 10): string {
  return printable(names.slice(0, most).join(", ")) + (names.length > most ? `, and ${names.length - most} more` : "");
}

/** What is said of any labelled photos. */
function evaluationText(e: Evaluation): string {
  const { overall, pooled } = e;
  const shown = (figures: MeanFigures): string => (figures.shown < figures.tags ? `; ${n(figures.mapOfShown)} over the ${figures.shown} that a photo shows` : "");
  const lines = [
    `${printable(e.name)}: ${count(e.photos, "photo")}${e.missing.length > 0 ? `, ${e.missing.length} not there` : ""}${e.failed.length > 0 ? `, ${e.failed.length} could not be read` : ""}`,
    `  mAP              ${n(overall.map)} over ${count(overall.tags, "tag")}${shown(overall)}`,
    `  at thresholds    precision ${n(overall.precision)}, recall ${n(overall.recall)}, F1 ${n(overall.f1)}; means of the tags, as the reference counts: ${n(overall.reference.precision)} and ${n(overall.reference.recall)}`,
  ];
  if (pooled.breakEven !== null && pooled.best !== null) lines.push(`  one threshold    precision equals recall at ${n(pooled.breakEven.threshold)}: ${n(pooled.breakEven.f1)}; best F1 at ${n(pooled.best.threshold)}: ${n(pooled.best.f1)}`);
  if (e.implied.tags.length > 0) lines.push(`  implied tags     mAP ${n(e.implied.overall.mapOfShown)} over the ${e.implied.overall.shown} that a photo shows`);
  if (e.lacking.length > 0) lines.push(`  left out         ${e.lacking.length} of the ${e.listed} tags, which the model has not: ${some(e.lacking)}`);
  return `${lines.join("\n")}\n${groupsText(e)}${tagsText(e)}`;
}

function groupsText({ groups }: Evaluation): string {
  if (groups.length === 0) return "";
  const rows = groups.map((group) => [`  ${printable(group.name)}`, String(group.tags), n(group.map), n(group.precision), n(group.recall), n(group.f1)]);
  return columns([["  group", "tags", "mAP", "precision", "recall", "F1"], ...rows], [1, 2, 3, 4, 5]);
}

function tagsText({ tags }: Evaluation): string {
  const byAp = tags.filter(({ positives }) => positives > 0).sort((a, b) => b.ap - a.ap);
  if (byAp.length === 0) return "";
  const rows = byAp.map((tag) => [`  ${printable(tag.name).slice(0, 40)}`, String(tag.positives), n(tag.ap), n(tag.precision), n(tag.recall), n(tag.f1), n(tag.best!.f1), n(tag.best!.threshold)]);
  return columns([["  tag", "photos", "AP", "precision", "recall", "F1", "best F1", "at"], ...rows], [1, 2, 3, 4, 5, 6, 7]);
}

/** What is said of a set of classes. */
function setText(r: SetReport): string {
  const { pooled } = r.evaluation;
  const lines = [
    `${printable(r.set)} ${printable(r.split)}: ${r.photos} photos${r.failed.length > 0 ? `, ${r.failed.length} could not be read` : ""}`,
    `  class tags       mAP ${n(r.classMap)} over ${r.classes}; ${n(r.classMapOfTen)} over ${r.classesOfTen} with ten or more photos`,
    `  hypernym tags    mAP ${n(r.hypernymMap)} over ${r.hypernyms}`,
    `  at thresholds    precision ${n(r.precision)}, recall ${n(r.recall)}, F1 ${n(r.f1)}`,
  ];
  if (pooled.breakEven !== null && pooled.best !== null) lines.push(`  one threshold    for the class tags: precision equals recall at ${n(pooled.breakEven.threshold)}: ${n(pooled.breakEven.f1)}; best F1 at ${n(pooled.best.threshold)}: ${n(pooled.best.f1)}`);
  if (r.firstTags !== undefined) {
    const { top1, top5, classOrAncestorInThree } = r.firstTags;
    lines.push(`  among classes    first ${n(top1)}, among the first five ${n(top5)}`, `  among all tags   class or an ancestor in the first three ${n(classOrAncestorInThree)}`);
  }
  if (r.untagged.length > 0) lines.push(`  classes without a tag, which count 0: ${r.untagged.map(printable).join(", ")}`);
  const byAp = [...r.tags].filter((tag) => tag.positives > 0).sort((a, b) => b.ap - a.ap);
  lines.push("  tag                          photos     AP  precision  recall     F1");
  for (const t of byAp) lines.push(`  ${printable(t.en).slice(0, 28).padEnd(28)} ${String(t.positives).padStart(6)}  ${n(t.ap)}      ${n(t.precision)}   ${n(t.recall)}  ${n(t.f1)}`);
  return `${lines.join("\n")}\n${groupsText(r.evaluation)}`;
}

/** What is to be measured, by the words of the command line. */
type Task = { readonly kind: "set"; readonly folder: string } | { readonly kind: "captions"; readonly folder: string } | { readonly kind: "folder"; readonly folder: string; readonly labels: string } | { readonly kind: "benchmark"; readonly name: (typeof benchmarkNames)[number]; readonly annotations: string; readonly photos: string };

function taskOf(values: Values, positionals: readonly string[]): { readonly model: string; readonly task: Task } {
  const [model, folder] = positionals;
  const benchmark = choiceOf("benchmark", values["benchmark"], benchmarkNames);
  const [labels, annotations, photos] = [textOf(values["labels"]), textOf(values["annotations"]), textOf(values["photos"])];
  if (model === undefined || positionals.length > 2 || (folder === undefined) !== (benchmark !== undefined)) throw new UsageError("eval needs a MODEL, and PHOTOS --labels FILE, a SET, or --benchmark NAME (ramplus eval --help)");
  if (benchmark !== undefined) {
    if (annotations === undefined || photos === undefined) throw new UsageError("--benchmark needs --annotations DIR, its files, and --photos DIR, its photos");
    for (const name of ["labels", "split"]) if (values[name] !== undefined) throw new UsageError(`--${name} does not go with --benchmark`);
    return { model, task: { kind: "benchmark", name: benchmark, annotations, photos } };
  }
  for (const name of ["annotations", "photos"]) if (values[name] !== undefined) throw new UsageError(`--${name} goes with --benchmark`);
  const captions = values["captions"] === true;
  if (captions && (labels !== undefined || benchmark !== undefined)) throw new UsageError("--captions is for a SET");
  if (labels === undefined) return { model, task: captions ? { kind: "captions", folder: folder! } : { kind: "set", folder: folder! } };
  if (values["split"] !== undefined) throw new UsageError("--split does not go with --labels");
  return { model, task: { kind: "folder", folder: folder!, labels } };
}

/** Progress on a terminal as one line, elsewhere as a line for each tenth of many photos. */
function progressOn({ stderr }: CliIo): { readonly onProgress: (done: number, total: number, kept: number) => void; readonly clear: () => void } {
  const terminal = stderr.isTTY === true;
  let [tenth, began, first] = [0, performance.now(), 0];
  return {
    onProgress(done, total, kept) {
      if (terminal) {
        // Those that were kept say nothing of the speed.
        if (kept === done) [began, first] = [performance.now(), done];
        const seconds = (performance.now() - began) / 1000;
        const left = done - first >= 8 ? `, ${durationText((seconds / (done - first)) * (total - done))} left` : "";
        stderr.write(`\r${done} of ${total} photos${kept > 0 ? `, ${kept} of them scored before` : ""}${left}\u001b[K`);
      } else if (kept < done && total >= 500 && Math.floor((done * 10) / total) > tenth) {
        tenth = Math.floor((done * 10) / total);
        stderr.write(`ramplus: ${done} of ${total} photos${kept > 0 ? `, ${kept} of them scored before` : ""}\n`);
      }
    },
    clear: () => void (terminal && stderr.write("\r\u001b[K")),
  };
}

async function groupingOf(value: string | undefined, hypernyms: Awaited<ReturnType<typeof loadHypernyms>> | undefined): Promise<Grouping | undefined> {
  if (value === undefined || value === "parents") return value;
  if (value !== "hypernyms") return readGroups(value);
  if (hypernyms === undefined) throw new UsageError("--groups hypernyms needs --hypernyms FILE");
  return { hypernyms };
}

/** `ramplus eval`. */
export async function evalCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("eval", args, options);
  const { model, task } = taskOf(values, positionals);
  const format = choiceOf("format", values["format"], ["text", "json"]) ?? "text";
  const [out, hypernymFile, vocab] = [textOf(values["out"]), textOf(values["hypernyms"]), listOf(values["vocab"])];
  if (values["force"] === true && out === undefined) throw new UsageError("--force goes with --out DIR");
  const openSet = values["open-set"] === true;
  if (openSet && (vocab === undefined || vocab.includes("built-in") || values["threshold"] !== undefined)) throw new UsageError("--open-set looks for the tags of --vocab NAME alone, at threshold 0.5: leave out --threshold and built-in");
  const loading = given({ device: deviceOf(values["device"]), dtype: precisionOf(values["dtype"]), cache: textOf(values["cache"]) });
  const hypernyms = hypernymFile === undefined ? undefined : await loadHypernyms(hypernymFile);
  const measuring: EvaluateOptions = {
    choice: await banksOf(vocab),
    threshold: openSet ? openSetThreshold : thresholdOf(values["threshold"]),
    force: values["force"] === true,
    ...given({ limit: countOf("limit", values["limit"]), batch: countOf("batch", values["batch"], 1024), out, groups: await groupingOf(textOf(values["groups"]), hypernyms), orient: values["no-orient"] === true ? false : undefined }),
    signal: io.signal,
  };
  const notice = (line: string): void => void io.stderr.write(`ramplus: ${line}\n`);
  await using tagger = await Tagger.load(model, { ...loading, ...given({ calibration: calibrationOf(values["calibration"]) }), onNotice: notice, signal: io.signal });
  const { onProgress, clear } = progressOn(io);
  let result: SetReport | Evaluation;
  try {
    const measure = { ...measuring, onProgress };
    if (task.kind === "captions") result = await evaluateCaptions(tagger, task.folder, { ...measure, ...given({ split: textOf(values["split"]) }) });
    else if (task.kind === "set") result = await evaluateSet(tagger, task.folder, { ...measure, ...given({ split: textOf(values["split"]), hypernyms }) });
    else if (task.kind === "folder") result = await evaluateFolder(tagger, task.folder, task.labels, measure);
    else result = await evaluateBenchmark(tagger, task.name, task, measure);
  } catch (error) {
    clear();
    if (io.signal.aborted && out !== undefined) notice(`what was scored is kept in ${printable(out)}: the same command goes on`);
    throw error;
  }
  clear();
  const isSet = "evaluation" in result;
  const evaluation = isSet ? (result as SetReport).evaluation : (result as Evaluation);
  await write(io.stdout, format === "json" ? `${JSON.stringify(result, null, 2)}\n` : isSet ? setText(result as SetReport) : evaluationText(evaluation));
  const { missing, failed } = evaluation;
  for (const { photo, message, code } of failed.slice(0, 20)) notice(`${printable(message.includes(photo) ? message : `${photo}: ${message}`)} (${code})`);
  if (failed.length > 20) notice(`and ${failed.length - 20} more that could not be read`);
  if (missing.length > 0) notice(`labelled photos that are not there: ${missing.length}: ${some(missing, 5)}`);
  if (out !== undefined) notice(`the report is ${printable(join(out, "report.html"))}`);
  return failed.length + missing.length > 0 ? 1 : 0;
}
