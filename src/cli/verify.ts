import { referenceKinds, verifyModel, type DifferingTag, type VerifyReport } from "../index.js";
import { choiceOf, deviceOf, given, parseCommand, precisionOf, textOf } from "./arguments.js";
import { findPhotos } from "./find-photos.js";
import { printable, UsageError, write, type CliIo } from "./io.js";

export const verifyHelp = `ramplus verify MODEL PHOTO... --against FILE [options]

Compares a model folder with scores that another implementation, such as the original in PyTorch, computed of the same photos.
docs/official-models.md has the lines that save them. Photos are taken in the order given (folders and globs: in order of
names); as in the original their EXIF orientation is ignored.

  --against FILE        the scores, .npy or .safetensors: a row for each photo, a column for each tag
  --tensor NAME         tensor of a .safetensors file (default: logits, else sigmoid, else the only one)
  --kind KIND           logits or sigmoid (default: told by the tensor's name, else by the values)
  --pixels FILE         photos that were preprocessed already, .npy or .safetensors [N, 3, S, S], in place of PHOTO
  --tolerance T         how far a photo may be off (default: fp32 3e-4 for the largest difference of logits, 1e-4 of
                        probabilities; mean difference of probabilities: fp16 5e-4, q8 1.3e-2)
  --device, --dtype     as for ramplus tag
  --json                the whole report, for programs

Exit codes: 0 all photos are within the tolerance, 1 some are not, 2 wrong usage, 3 model unusable, 130 interrupted.
`;

const options = {
  against: { type: "string" },
  tensor: { type: "string" },
  kind: { type: "string" },
  pixels: { type: "string" },
  tolerance: { type: "string" },
  device: { type: "string" },
  dtype: { type: "string" },
  json: { type: "boolean" },
} as const;

function toleranceOf(value: string | boolean | undefined): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (typeof value !== "string" || value.trim() === "" || !(number >= 0 && Number.isFinite(number))) throw new UsageError(`--tolerance ${String(value)}: expected a number of 0 or more`);
  return number;
}

/** Names of differing tags, the first few, with how near their scores are to the threshold. */
function differing(title: string, tags: readonly DifferingTag[]): string[] {
  if (tags.length === 0) return [];
  const shown = tags.slice(0, 5).map(({ en, here, there, threshold }) => `${en} (here ${here.toFixed(4)}, there ${there.toFixed(4)}, threshold ${threshold})`);
  return [`    ${title}: ${printable(shown.join(", "))}${tags.length > 5 ? `, and ${tags.length - 5} more` : ""}`];
}

function reportText(report: VerifyReport): string {
  const number = (value: number): string => value.toExponential(1);
  const lines = report.photos.flatMap((photo) => {
    if ("error" in photo) return [`${printable(photo.photo)}\n    error ${printable(photo.error.message)} (${photo.error.code})`];
    const logits = photo.maxLogit === null ? "" : `logits differ by at most ${number(photo.maxLogit)}, mean ${number(photo.meanLogit!)}; `;
    const probabilities = `probabilities by at most ${number(photo.maxProbability)}, mean ${number(photo.meanProbability)}`;
    const tags = `${photo.common} tags in common, ${photo.onlyHere.length} only here, ${photo.onlyThere.length} only there`;
    return [`${photo.within ? "ok  " : "FAR "}${printable(photo.photo)}`, `    ${logits}${probabilities}`, `    ${tags}`, ...differing("only here", photo.onlyHere), ...differing("only there", photo.onlyThere)];
  });
  const kind = `${report.kind}${report.kindDetected ? " (as their name or their values tell; --kind says otherwise)" : ""}`;
  const far = report.photos.filter((photo) => !("within" in photo && photo.within)).length;
  const verdict = report.within ? "all photos are within the tolerance" : `${far} of ${report.photos.length} photos are not within the tolerance`;
  return `${lines.join("\n")}\n\n${printable(report.model)}, ${report.dtype} on ${report.device}, against ${printable(report.against)}: ${kind}\n${verdict}: ${report.measure} of a photo at most ${report.tolerance}\n`;
}

/** `ramplus verify`. */
export async function verifyCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("verify", args, options);
  const [model, ...paths] = positionals;
  const [against, pixels] = [textOf(values["against"]), textOf(values["pixels"])];
  if (model === undefined || against === undefined) throw new UsageError("verify needs a MODEL and --against FILE (ramplus verify --help)");
  if ((paths.length > 0) === (pixels !== undefined)) throw new UsageError("verify needs either PHOTO... or --pixels FILE");
  const photos: string[] = [];
  for await (const found of findPhotos(paths, { recursive: false, onPassedOver: () => undefined })) {
    // A photo left out would shift the rows of all that follow.
    if ("error" in found) throw new UsageError(found.error.message);
    photos.push(found.path);
  }
  const live = io.stderr.isTTY === true;
  const report = await verifyModel(model, photos, {
    against,
    ...given({ pixels, tensor: textOf(values["tensor"]), kind: choiceOf("kind", values["kind"], referenceKinds), tolerance: toleranceOf(values["tolerance"]) }),
    ...given({ device: deviceOf(values["device"]), dtype: precisionOf(values["dtype"]) }),
    signal: io.signal,
    onNotice: (line) => void io.stderr.write(`ramplus: ${line}\n`),
    onProgress: (done, total) => live && io.stderr.write(`\r${done} of ${total} photos`),
  });
  if (live) io.stderr.write("\r\u001b[K");
  await write(io.stdout, values["json"] === true ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
  return report.within ? 0 : 1;
}
