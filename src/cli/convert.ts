import { convertCheckpoint, isImageFile, type PrecisionCheck } from "../index.js";
import { countOf, given, parseCommand, precisionsOf, textOf } from "./arguments.js";
import { findPhotos } from "./find-photos.js";
import { UsageError, write, type CliIo } from "./io.js";

export const convertHelp = `ramplus convert CHECKPOINT --out DIR [options]

Makes a model folder from a checkpoint of RAM++ or RAM: PyTorch (.pth, with or without zip) or .safetensors.

  --out DIR             the model folder to write
  --tags FILE           English tags, one a line (default: the published 4,585)
  --tags-zh FILE        Chinese tags (default: the English ones, with --tags)
  --thresholds FILE     thresholds (default: 0.68 each, with --tags)
  --image-size N        side of the input in pixels (default: read off the masks in a .pth, else 384)
  --window N            window of the attention; position tables of another window are resized
  --heads N             attention heads of the tagging head (default: 4)
  --dtype DTYPE[,..]    fp32 (exact; default), fp16 (half the size: GPUs, browsers), q8 (a quarter: CPUs); the first is the model's own
  --check PATH          compare each precision with fp32 on photos (a file, a folder, a glob in quotes) and print what it costs
`;

const options = {
  out: { type: "string" },
  tags: { type: "string" },
  "tags-zh": { type: "string" },
  thresholds: { type: "string" },
  "image-size": { type: "string" },
  window: { type: "string" },
  heads: { type: "string" },
  dtype: { type: "string" },
  check: { type: "string" },
} as const;

/** `ramplus convert`. */
export async function convertCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("convert", args, options);
  const [file] = positionals;
  const out = textOf(values["out"]);
  if (file === undefined || positionals.length > 1) throw new UsageError("convert needs one CHECKPOINT (ramplus convert --help)");
  if (out === undefined) throw new UsageError("convert needs --out DIR");
  const where = textOf(values["check"]);
  const check = where === undefined ? undefined : await photosAt(where);
  const { folder, model, parameters, ignored, checks } = await convertCheckpoint(file, out, {
    ...given({ tags: textOf(values["tags"]), tagsZh: textOf(values["tags-zh"]), thresholds: textOf(values["thresholds"]) }),
    ...given({ imageSize: countOf("image-size", values["image-size"]), window: countOf("window", values["window"]), heads: countOf("heads", values["heads"]), dtypes: precisionsOf(values["dtype"]), check }),
    signal: io.signal,
  });
  if (ignored.length > 0) io.stderr.write(`ramplus: ${ignored.length} tensors are not needed for tagging and were left out\n`);
  const name = model.modelType === "ram_plus" ? "RAM++" : "RAM";
  await write(io.stdout, `${folder}: ${name}, ${model.encoder.imageSize} px, ${model.tags} tags x ${model.descriptions}, ${(parameters / 1e6).toFixed(1)} M parameters\n`);
  if (checks !== null) await write(io.stdout, checkText(checks, check!.length));
  return 0;
}

/** The photos at a path. Throws a UsageError where there are none. */
async function photosAt(path: string): Promise<string[]> {
  const photos: string[] = [];
  for await (const found of findPhotos([path], { recursive: false, onPassedOver: () => undefined })) {
    if ("error" in found) throw new UsageError(`--check ${found.error.message}`);
    // Found out now, not after the conversion.
    if (!(await isImageFile(found.path))) throw new UsageError(`--check ${found.path}: is not an image that can be read`);
    photos.push(found.path);
  }
  return photos;
}

function checkText(checks: readonly PrecisionCheck[], photos: number): string {
  const lines = [`against fp32, on ${photos} ${photos === 1 ? "photo" : "photos"}:`, "  precision       size  ms a photo  mean error   largest   tag F1    least"];
  for (const c of checks) {
    const error = (v: number): string => v.toExponential(1).padStart(8);
    lines.push(`  ${c.dtype.padEnd(9)} ${`${(c.bytes / 1e6).toFixed(1)} MB`.padStart(10)}  ${c.ms.toFixed(0).padStart(10)}  ${error(c.meanError)}    ${error(c.maxError)}  ${c.f1.toFixed(4)}   ${c.leastF1.toFixed(4)}`);
  }
  return `${lines.join("\n")}\n`;
}
