import { addAbortSignal } from "node:stream";
import { openSetThreshold, readBank, Tagger, type ChosenTag, type TagBank, type TagOptions, type TagResult, type TagScore } from "../index.js";
import { choiceOf, countOf, deviceOf, given, parseCommand, precisionOf, textOf } from "./arguments.js";
import { findPhotos, type FoundPhoto } from "./find-photos.js";
import { formatterOf, tagFormats, type Language, type TagEntry } from "./format-tags.js";
import { printable, UsageError, write, type CliIo } from "./io.js";
import { textEncoders } from "./text-encoder.js";
import { listOf } from "./vocab.js";

export const tagHelp = `ramplus tag PATH... [options]

Tags photos. PATH is a file, a folder, a glob in quotes, or - for one photo on standard input.

  --model DIR|NAME      model folder, or the name of an embedded model (default: ramplus-tiny)
  --format FORMAT       text (default), json, jsonl, csv, reference ("a | b | c")
  --vocab NAME,...      look for the tags of these banks (ramplus vocab) and no others; built-in,NAME adds the model's own
  --tags A,B,...        look for these alone: tags, words that WordNet places among them, with a text encoder any words
  --only, --exclude P   tags that fit, do not fit, a pattern (* and ?); several, separated by commas
  --open-set            as the reference's open set: the tags of --vocab or --tags alone, threshold 0.5 for all
  --text-encoder DIR    folder of a CLIP model, for --tags (default: what ramplus pull clip-text fetched, for official models)
  --cache DIR           keep photos' features: other tags are then looked for at the head's cost alone
  --threshold T         official (default: each tag's own, or the calibration's), a number from 0 to 1 for all tags, or
                        precision=P: for each tag the lowest at which it was so precise when it was calibrated
  --calibration FILE    thresholds of ramplus calibrate; none: the tags' own (default: calibration.json of the model folder)
  --top N               at most N tags a photo
  --prune-implied       leave out tags that another tag of the photo implies: "animal" beside "golden retriever"
  --all                 every tag with its score, by id
  --lang LANG           en, zh or both, in text and reference
  --no-orient           do not turn photos by their EXIF orientation, as the reference does not
  --device DEVICE       auto (default), cpu, wasm, webgpu, cuda, coreml, dml
  --dtype DTYPE         fp32, fp16, q8 (default: the model's own)
  --batch N             photos that go through the network together (default: 4; a large model on a CPU: 1)
  --recursive           look into folders within folders

Exit codes: 0 all tagged, 1 some could not be, 2 wrong usage, 3 model unusable, 130 interrupted.
`;

const options = {
  model: { type: "string" },
  format: { type: "string" },
  threshold: { type: "string" },
  calibration: { type: "string" },
  vocab: { type: "string" },
  tags: { type: "string" },
  only: { type: "string" },
  exclude: { type: "string" },
  "open-set": { type: "boolean" },
  "text-encoder": { type: "string" },
  cache: { type: "string" },
  top: { type: "string" },
  "prune-implied": { type: "boolean" },
  all: { type: "boolean" },
  lang: { type: "string" },
  "no-orient": { type: "boolean" },
  device: { type: "string" },
  dtype: { type: "string" },
  batch: { type: "string" },
  recursive: { type: "boolean" },
} as const;

type Threshold = NonNullable<TagOptions["threshold"]>;

/** The file of --calibration; null where none is wanted. */
export function calibrationOf(value: string | boolean | undefined): string | null | undefined {
  return value === "none" ? null : textOf(value);
}

/** A threshold, or the precision that one is to have. */
function tagThresholdOf(value: string | boolean | undefined): Threshold {
  const precision = typeof value === "string" ? /^precision=(\d*\.?\d+)$/.exec(value)?.[1] : undefined;
  if (precision === undefined) return thresholdOf(value);
  if (Number(precision) > 1) throw new UsageError(`--threshold ${String(value)}: expected a precision from 0 to 1`);
  return { precision: Number(precision) };
}

export function thresholdOf(value: string | boolean | undefined): "official" | number {
  if (value === undefined || value === "official") return "official";
  const number = Number(value);
  if (typeof value !== "string" || value.trim() === "" || !(number >= 0 && number <= 1)) throw new UsageError(`--threshold ${String(value)}: expected official or a number from 0 to 1`);
  return number;
}

/** Longer input is cut here: it is larger than any photo's file, and fails as one that is cut short. */
const longestInput = 256 * 1024 * 1024;

/** The photo on standard input. */
async function readInput({ stdin, signal }: CliIo): Promise<File> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of addAbortSignal(signal, stdin)) {
    chunks.push(chunk as Uint8Array<ArrayBuffer>);
    size += chunks.at(-1)!.byteLength;
    if (size > longestInput) break;
  }
  return new File(chunks, "standard input");
}

/** Every tag that was looked for with its score, by id. */
function allTags(tags: readonly ChosenTag[], { scores }: TagResult, threshold: Threshold): TagScore[] {
  return tags.map((tag) => ({ id: tag.id, en: tag.en, zh: tag.zh, score: scores![tag.id]!, threshold: typeof threshold === "number" ? threshold : tag.threshold, ...(tag.bank !== undefined && { bank: tag.bank }) }));
}

/** The banks of --vocab, and whether the model's own tags are among what is looked for. */
export async function banksOf(names: readonly string[] | undefined): Promise<{ banks?: TagBank[]; builtIn?: boolean }> {
  if (names === undefined) return {};
  if (names.length === 0) throw new UsageError("--vocab needs the NAME of a bank (ramplus vocab list)");
  const banks: TagBank[] = [];
  for (const name of new Set(names)) if (name !== "built-in") banks.push(await readBank(name));
  return { banks, builtIn: names.includes("built-in") };
}

/** `ramplus tag`. */
export async function tagCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("tag", args, options);
  if (positionals.length === 0) throw new UsageError("tag needs a PATH: a photo, a folder, a glob or - (ramplus tag --help)");
  const format = choiceOf("format", values["format"], tagFormats) ?? "text";
  const lang: Language = choiceOf("lang", values["lang"], ["en", "zh", "both"]) ?? (format === "reference" ? "en" : "both");
  const [vocab, words] = [listOf(values["vocab"]), listOf(values["tags"])];
  const openSet = values["open-set"] === true;
  if (openSet && vocab === undefined && words === undefined) throw new UsageError("--open-set needs --vocab NAME or --tags A,B: the tags to look for");
  if (openSet && (values["threshold"] !== undefined || vocab?.includes("built-in") === true)) throw new UsageError("--open-set looks for the given tags alone, at threshold 0.5: leave out --threshold and built-in");
  const threshold = openSet ? openSetThreshold : tagThresholdOf(values["threshold"]);
  const [top, batch, all] = [countOf("top", values["top"]), countOf("batch", values["batch"], 1024), values["all"] === true];
  const notice = (line: string): void => void io.stderr.write(`ramplus: ${line}\n`);
  const loading = given({ device: deviceOf(values["device"]), dtype: precisionOf(values["dtype"]) });
  const choice = { ...(await banksOf(vocab)), ...given({ tags: words, only: listOf(values["only"]), exclude: listOf(values["exclude"]) }), signal: io.signal };
  await using encoders = textEncoders(textOf(values["text-encoder"]), io);
  await using tagger = await Tagger.load(textOf(values["model"]), { ...loading, ...given({ cache: textOf(values["cache"]), calibration: calibrationOf(values["calibration"]) }), textEncoder: encoders.open, onNotice: notice, signal: io.signal });
  // Asked for first, so that a word that nothing knows is told of before any photo.
  const chosen = await tagger.chosenTags({ ...choice, threshold });

  const formatter = formatterOf(format, { lang, colour: io.stdout.isTTY === true && !io.env["NO_COLOR"], width: Math.min(io.stdout.columns ?? 80, 120) });
  let [count, failed, passedOver] = [0, 0, 0];
  const progress = io.stderr.isTTY === true && io.stdout.isTTY !== true;
  const emit = async (entry: TagEntry): Promise<void> => {
    if ("error" in entry) {
      failed++;
      // Formats without a place for errors, and people who redirect the output, see them here.
      if (format === "reference" || io.stdout.isTTY !== true) notice(printable(entry.error.message));
    }
    await write(io.stdout, formatter.entry(entry, count++));
    if (progress) io.stderr.write(`\r${count} photos`);
  };
  // Errors of paths keep their place among the photos: each photo carries those that come before it.
  const waiting: { photo: string; before: TagEntry[] }[] = [];
  let errors: TagEntry[] = [];
  const inputs = async function* (): AsyncGenerator<string | File> {
    for await (const found of findPhotos(positionals, { recursive: values["recursive"] === true, onPassedOver: () => passedOver++ }) as AsyncGenerator<FoundPhoto>) {
      if ("error" in found) {
        errors.push({ file: found.path, error: found.error });
        continue;
      }
      waiting.push({ photo: found.path, before: errors });
      errors = [];
      yield found.path === "-" ? await readInput(io) : found.path;
    }
  };
  await write(io.stdout, formatter.begin);
  const tagging = { ...choice, threshold, orient: values["no-orient"] !== true, scores: all, pruneImplied: values["prune-implied"] === true, ...given({ top, batch }) };
  for await (const outcome of tagger.tagStream(inputs(), tagging)) {
    const { photo, before } = waiting.shift()!;
    for (const entry of before) await emit(entry);
    if ("error" in outcome) await emit({ file: photo, error: { code: outcome.error.code, message: outcome.error.message } });
    else await emit({ file: photo, tags: all ? allTags(chosen, outcome.result, threshold) : outcome.result.tags, ms: outcome.result.ms });
  }
  for (const entry of errors) await emit(entry);
  await write(io.stdout, formatter.end(count));
  if (progress) io.stderr.write("\r\u001b[K");
  if (passedOver > 0) notice(`${passedOver} ${passedOver === 1 ? "file" : "files"} in folders passed over: not images by their content`);
  return failed > 0 ? 1 : 0;
}

