import { join } from "node:path";
import { bytesText, convertCheckpoint, listOfficialModels, modelsFolder, officialNames, pullModel, readModelFolder, replaceModelFolder, type OfficialModel, type Precision, type PulledModel } from "../index.js";
import { didYouMean, given, parseCommand, precisionsOf, textOf } from "./arguments.js";
import { printable, UsageError, write, type CliIo } from "./io.js";
import { columns } from "./quantities.js";
import { transferReport } from "./transfer-report.js";

export const pullHelp = `ramplus pull NAME [options]

Downloads official files into the Hugging Face hub's cache, verified, and converts them to a model folder.
An interrupted download goes on where it stopped. NAME is

  ram-plus              RAM++, 4,585 tags (3.0 GB); then: ramplus tag --model ram-plus
  ram                   RAM, 4,585 tags; then: ramplus tag --model ram
  clip-text             the text encoder for tags of your own (files only)

  --dtype DTYPE[,..]    precisions of the converted model: fp32 (default), fp16, q8
  --out DIR             model folder to make (default: in the cache, where --model NAME finds it)
  --no-convert          download only
  --force               convert again, although the model is there
  --offline             use what is here, and no network
  --list                list the names with size, licence, source and what is here
  --json                with --list: for programs

docs/download.md tells where files lie and which variables are read.
`;

const options = {
  dtype: { type: "string" },
  out: { type: "string" },
  "no-convert": { type: "boolean" },
  force: { type: "boolean" },
  offline: { type: "boolean" },
  list: { type: "boolean" },
  json: { type: "boolean" },
} as const;

/** `ramplus pull`. */
export async function pullCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("pull", args, options);
  if (values["list"] === true) {
    if (positionals.length > 0) throw new UsageError("pull --list takes no NAME");
    await list(io, values["json"] === true);
    return 0;
  }
  const [word] = positionals;
  if (word === undefined || positionals.length > 1) throw new UsageError(`pull needs one NAME: ${officialNames.join(", ")} (ramplus pull --help)`);
  const name = officialNames.find((each) => each === word);
  if (name === undefined) throw new UsageError(`pull ${word}: expected ${officialNames.join(", ")}${didYouMean(word, officialNames)}`);
  const dtypes = precisionsOf(values["dtype"]);
  const out = textOf(values["out"]);
  const convert = values["no-convert"] !== true && name !== "clip-text";
  if (!convert && (out !== undefined || dtypes !== undefined)) throw new UsageError(`--out and --dtype are for converting, and ${name === "clip-text" ? "clip-text is not converted" : "--no-convert was given"}`);
  const folder = out ?? join(modelsFolder(), name);
  if (convert && values["force"] !== true && (await isThere(folder, dtypes))) {
    io.stderr.write(`ramplus: ${name} is there already; --force converts it again\n`);
    await write(io.stdout, `${folder}\n`);
    return 0;
  }
  const pull = async (): Promise<PulledModel> => {
    using report = transferReport(io);
    return await pullModel(name, { ...given({ offline: values["offline"] === true ? true : undefined }), signal: io.signal, onProgress: report.show });
  };
  if (!convert) {
    const { files } = await pull();
    await write(io.stdout, files.map(({ file }) => `${file}\n`).join(""));
    return 0;
  }
  // The place is looked at before gigabytes are fetched for it.
  const { model, parameters } = await replaceModelFolder(folder, async (part) => {
    const { checkpoint, lists } = await pull();
    io.stderr.write(`ramplus: converting ${name}; the tag lists ${lists === null ? "come with ramplus" : "of ramplus differ from the published ones, which were fetched"}\n`);
    return convertCheckpoint(checkpoint!, part, { ...lists, ...given({ dtypes }), signal: io.signal });
  });
  io.stderr.write(`ramplus: ${model.encoder.imageSize} px, ${model.tags} tags x ${model.descriptions}, ${(parameters / 1e6).toFixed(1)} M parameters; the downloaded files stay for other precisions (ramplus cache clean ${name}-files frees them)\n`);
  await write(io.stdout, `${folder}\n`);
  return 0;
}

/** Whether a model folder is there, whole, at the precision asked for. */
async function isThere(folder: string, dtypes: readonly Precision[] | undefined): Promise<boolean> {
  const found = await readModelFolder(folder).catch(() => null);
  return found !== null && (dtypes === undefined || dtypes.every((dtype) => found.config.dtypes.includes(dtype)));
}

function stateOf({ downloaded, converted }: OfficialModel): string {
  if (converted !== null) return downloaded ? "converted, files kept" : "converted";
  return downloaded ? "downloaded" : "not here";
}

async function list(io: CliIo, json: boolean): Promise<void> {
  const models = await listOfficialModels();
  if (json) {
    await write(io.stdout, `${JSON.stringify(models, null, 2)}\n`);
    return;
  }
  const rows = models.map((model) => [model.name, model.bytes === null ? "asked at pull" : bytesText(model.bytes), model.licence, stateOf(model), model.title, model.source]);
  await write(io.stdout, printableLines(columns([["NAME", "SIZE", "LICENCE", "HERE", "WHAT", "SOURCE"], ...rows], [1])));
}

const printableLines = (text: string): string => text.split("\n").map(printable).join("\n");
