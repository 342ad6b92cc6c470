import { BundleError, bytesText, findModel, packageVersion, readModelFolder, verifyBankGraph, verifyGraphs, type BankGraphReport, type ModelFolder, type Precision, type PrecisionReport } from "../index.js";
import { parseCommand } from "./arguments.js";
import { printable, UsageError, write, type CliIo } from "./io.js";

export const infoHelp = `ramplus info [MODEL] [--json]

Checks and describes a model folder, or an embedded model by name (default: ramplus-tiny): its files, and the graphs of each
precision with what they take, give and refer to. The weights themselves are not read.

Exit codes: 0 the folder is sound, 3 it is not, and the message says which file.
`;

const shapeText = ({ input, output }: PrecisionReport["vision"]): string => `${printable(input.name)} [${input.shape.map(String).map(printable).join(", ")}] to ${printable(output.name)} [${output.shape.map(String).map(printable).join(", ")}]`;
const millions = (count: number): string => `${(count / 1e6).toFixed(1)} M`;

/** The graph for banks; null in a folder that was written before there were any. */
async function bankGraph(model: ModelFolder, dtype: Precision): Promise<BankGraphReport | null> {
  try {
    return await verifyBankGraph(model, dtype);
  } catch (error) {
    if (error instanceof BundleError && error.code === "no-bank-graph") return null;
    throw error;
  }
}

/** `ramplus info`. */
export async function infoCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("info", args, { json: { type: "boolean" } });
  if (positionals.length > 1) throw new UsageError("info takes one MODEL");
  const model = await readModelFolder(findModel(positionals[0]));
  const { folder, config, preprocessor, tags } = model;
  const reports: (PrecisionReport & { bank: BankGraphReport | null })[] = [];
  for (const dtype of config.dtypes) reports.push({ ...(await verifyGraphs(model, dtype)), bank: await bankGraph(model, dtype) });
  const off = tags.filter((tag) => tag.threshold === null || tag.threshold >= 1).length;
  if (values["json"] === true) {
    await write(io.stdout, `${JSON.stringify({ ramplus: packageVersion(), folder, config, preprocessor, tags: tags.length, tagsOff: off, precisions: reports }, null, 2)}\n`);
    return 0;
  }
  const name = config.modelType === "ram_plus" ? "RAM++" : "RAM";
  const lines = [
    `folder      ${printable(folder)}`,
    `model       ${name}, made by ${printable(config.madeBy)}, format version ${config.formatVersion}`,
    `input       ${preprocessor.size} x ${preprocessor.size} pixels`,
    `tags        ${tags.length}${off > 0 ? ` (${off} never fire)` : ""}`,
    "precisions",
  ];
  for (const report of reports) {
    const { dtype, parameters, bytes, vision, tagging } = report;
    lines.push(`  ${dtype.padEnd(8)}  ${millions(parameters)} parameters, ${bytesText(bytes)} on disk${dtype === config.defaultDtype ? ", the default" : ""}`);
    for (const [part, graph] of [
      ["vision", vision],
      ["tagging", tagging],
    ] as const) lines.push(`    ${part.padEnd(8)}${millions(graph.parameters)}, ${bytesText(graph.bytes)}: ${shapeText(graph)}`);
    lines.push(`    bank    ${report.bank === null ? "none: this folder takes no other tags than its own; convert the checkpoint again" : `rows of ${report.bank.width} values, ${report.bank.rows === "one" ? "one" : "one or several"} a tag`}`);
  }
  await write(io.stdout, `${lines.join("\n")}\n`);
  return 0;
}
