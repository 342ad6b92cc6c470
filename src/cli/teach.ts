import { existsSync } from "node:fs";
import { assertSameOrigin, bankFile, bankName, readBackground, readBank, Tagger, teachTag, writeBank, type TagBank, type TaughtTag, type Tensor } from "../index.js";
import { deviceOf, given, parseCommand, precisionOf, textOf } from "./arguments.js";
import { findPhotos } from "./find-photos.js";
import { printable, UsageError, write, type CliIo } from "./io.js";
import { listOf } from "./vocab.js";

export const teachHelp = `ramplus teach TAG PATH... [options]

Learns a tag from photos that show it, ten or so, in seconds, and saves it into a bank for ramplus tag --vocab NAME. The model
stays as it is: one row is learned through its head. How well it went is told by photos that were each left out in turn.

  --not PATH,...        photos that do not show it; the nearer they are to what does, the better it is told apart. The embedded
                        model carries 96 everyday photos besides; for other models let --not hold all sorts of things
  --vocab NAME          bank that the tag is added to, in place of one of its name (default: taught)
  --zh NAME             Chinese name (default: TAG)
  --model DIR|NAME      model that the tag is for (default: ramplus-tiny); a taught tag belongs to its model
  --no-orient           do not turn photos by their EXIF orientation
  --cache DIR           keep photos' features
  --json                the report as JSON
  --device, --dtype     as for ramplus tag

Exit codes: 0 learned, 1 too few photos or some could not be read, 2 wrong usage, 3 model unusable, 130 interrupted.
`;

const options = {
  not: { type: "string" },
  vocab: { type: "string" },
  zh: { type: "string" },
  model: { type: "string" },
  "no-orient": { type: "boolean" },
  cache: { type: "string" },
  json: { type: "boolean" },
  device: { type: "string" },
  dtype: { type: "string" },
} as const;

interface Photo {
  readonly path: string;
  readonly features: Tensor<"float32">;
}

/** `ramplus teach`. */
export async function teachCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("teach", args, options);
  const [name, ...paths] = positionals;
  if (name === undefined || name.trim() === "" || paths.length === 0) throw new UsageError("teach needs a TAG and the PATH of photos that show it (ramplus teach --help)");
  const file = bankFile(textOf(values["vocab"]) ?? "taught");
  const before = existsSync(file) ? await readBank(file) : null;
  const notice = (line: string): void => void io.stderr.write(`ramplus: ${line}\n`);
  await using tagger = await Tagger.load(textOf(values["model"]), { ...given({ device: deviceOf(values["device"]), dtype: precisionOf(values["dtype"]), cache: textOf(values["cache"]) }), onNotice: notice, signal: io.signal });
  const looking = { orient: values["no-orient"] !== true, signal: io.signal };
  const not = listOf(values["not"]);
  const shown = await photosOf(tagger, paths, looking, notice);
  const others = not === undefined ? null : await photosOf(tagger, not, looking, notice);
  const background = await readBackground(tagger.folder);
  if (others === null && background === null) throw new UsageError(`${tagger.folder} carries no photos to tell a tag apart from: give --not PATH, ten photos or more that do not show ${printable(name)}`);
  const terminal = io.stderr.isTTY === true;
  const taught = await teachTag(tagger, name, shown.photos.map(({ features }) => features), others?.photos.map(({ features }) => features) ?? background!, {
    signal: io.signal,
    ...given({ zh: textOf(values["zh"]) }),
    ...(others !== null && background !== null && { background }),
    onProgress: (step, steps) => void (terminal && io.stderr.write(step === steps ? "\r\u001b[K" : `\rstep ${step} of ${steps}`)),
  });
  const bank = withTag(before, bankName(file), taught);
  await writeBank(file, bank);
  const { report } = taught;
  const wrong = misplaced(shown.photos, others?.photos ?? [], taught);
  if (values["json"] === true) await write(io.stdout, `${JSON.stringify({ tag: name, bank: file, ...report, wrong }, null, 2)}\n`);
  else await write(io.stdout, reportText(name, file, bank, taught, others === null, wrong));
  return shown.failed + (others?.failed ?? 0) > 0 ? 1 : 0;
}

async function photosOf(tagger: Tagger, paths: readonly string[], looking: { readonly orient: boolean; readonly signal: AbortSignal }, notice: (line: string) => void): Promise<{ photos: Photo[]; failed: number }> {
  const photos: Photo[] = [];
  let failed = 0;
  const fail = (message: string): void => {
    failed++;
    notice(printable(message));
  };
  const found = async function* (): AsyncGenerator<string> {
    for await (const each of findPhotos(paths, { recursive: false, onPassedOver: () => undefined })) {
      if ("error" in each) fail(each.error.message);
      else yield each.path;
    }
  };
  for await (const outcome of tagger.features(found(), looking)) {
    if ("error" in outcome) fail(outcome.error.message);
    else photos.push({ path: outcome.image, features: outcome.features });
  }
  return { photos, failed };
}

/** The bank with the tag, in place of one of its name. */
function withTag(before: TagBank | null, name: string, { tag, origin, width }: TaughtTag): TagBank {
  const own: TagBank = { name, width, origin, tags: [tag] };
  if (before === null) return own;
  assertSameOrigin(own, before);
  return { ...own, tags: [...before.tags.filter(({ en }) => en !== tag.en), tag] };
}

/** Photos on the wrong side of the threshold when they were left out. */
function misplaced(shown: readonly Photo[], others: readonly Photo[], { report }: TaughtTag): { path: string; score: number; shows: boolean }[] {
  const all = [...shown.map((photo) => ({ ...photo, shows: true })), ...others.map((photo) => ({ ...photo, shows: false }))];
  return all.flatMap(({ path, shows }, i) => (report.scores[i]! > report.threshold === shows ? [] : [{ path, score: report.scores[i]!, shows }]));
}

function reportText(name: string, file: string, bank: TagBank, { report }: TaughtTag, background: boolean, wrong: readonly { path: string; score: number; shows: boolean }[]): string {
  const n = (v: number): string => v.toFixed(3);
  const { positives, negatives, folds, ap, chance, threshold, precision, recall, f1 } = report;
  const lines = [
    `${printable(name)}: learned from ${positives} photos, told apart from ${negatives}${background ? " everyday photos" : ""}`,
    `  ${folds === positives ? "each photo left out in turn" : `left out in ${folds} turns`}: average precision ${n(ap)} (chance: ${n(chance)})`,
    `  at its threshold of ${n(threshold)}: precision ${n(precision)}, recall ${n(recall)}, F1 ${n(f1)}`,
    ...wrong.slice(0, 10).map(({ path, score, shows }) => `  ${shows ? "missed" : "wrong "}  ${score.toFixed(3)}  ${printable(path)}`),
    ...(wrong.length > 10 ? [`  and ${wrong.length - 10} more`] : []),
    `${printable(file)}: ${bank.tags.length} ${bank.tags.length === 1 ? "tag" : "tags"}; ramplus tag PHOTO --vocab built-in,${printable(bank.name)}`,
  ];
  return `${lines.join("\n")}\n`;
}
