import { convertCheckpoint } from "../index.js";
import { countOf, given, parseCommand, precisionOf, textOf } from "./arguments.js";
import { UsageError, untilInterrupted, write, type CliIo } from "./io.js";

export const convertHelp = `ramplus convert CHECKPOINT --out DIR [options]

Makes a model folder from a checkpoint of RAM++ or RAM: PyTorch (.pth, with or without zip) or .safetensors.

  --out DIR             the model folder to write
  --tags FILE           English tags, one a line (default: the published 4,585)
  --tags-zh FILE        Chinese tags (default: the English ones, with --tags)
  --thresholds FILE     thresholds (default: 0.68 each, with --tags)
  --image-size N        side of the input in pixels (default: read off the masks in a .pth, else 384)
  --window N            window of the attention; position tables of another window are resized
  --heads N             attention heads of the tagging head (default: 4)
  --dtype DTYPE         fp32 (default) or fp16 (weights in half precision)
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
} as const;

/** `ramplus convert`. */
export async function convertCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("convert", args, options);
  const [file] = positionals;
  const out = textOf(values["out"]);
  if (file === undefined || positionals.length > 1) throw new UsageError("convert needs one CHECKPOINT (ramplus convert --help)");
  if (out === undefined) throw new UsageError("convert needs --out DIR");
  const converting = convertCheckpoint(file, out, {
    ...given({ tags: textOf(values["tags"]), tagsZh: textOf(values["tags-zh"]), thresholds: textOf(values["thresholds"]) }),
    ...given({ imageSize: countOf("image-size", values["image-size"]), window: countOf("window", values["window"]), heads: countOf("heads", values["heads"]), dtype: precisionOf(values["dtype"]) }),
  });
  const { folder, model, parameters, ignored } = await untilInterrupted(converting, io.signal);
  if (ignored.length > 0) io.stderr.write(`ramplus: ${ignored.length} tensors are not needed for tagging and were left out\n`);
  const name = model.modelType === "ram_plus" ? "RAM++" : "RAM";
  await write(io.stdout, `${folder}: ${name}, ${model.encoder.imageSize} px, ${model.tags} tags x ${model.descriptions}, ${(parameters / 1e6).toFixed(1)} M parameters\n`);
  return 0;
}
