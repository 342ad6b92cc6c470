import { findModel, packageVersion, readModelFolder } from "../index.js";
import { parseCommand } from "./arguments.js";
import { UsageError, write, type CliIo } from "./io.js";

export const infoHelp = `ramplus info [MODEL] [--json]

Checks and describes a model folder, or an embedded model by name (default: ramplus-tiny).
`;

/** `ramplus info`. */
export async function infoCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("info", args, { json: { type: "boolean" } });
  if (positionals.length > 1) throw new UsageError("info takes one MODEL");
  const { folder, config, preprocessor, tags } = await readModelFolder(findModel(positionals[0]));
  const off = tags.filter((tag) => tag.threshold === null || tag.threshold >= 1).length;
  if (values["json"] === true) {
    await write(io.stdout, `${JSON.stringify({ ramplus: packageVersion(), folder, config, preprocessor, tags: tags.length, tagsOff: off }, null, 2)}\n`);
    return 0;
  }
  const name = config.modelType === "ram_plus" ? "RAM++" : "RAM";
  const lines = [
    `folder      ${folder}`,
    `model       ${name}, made by ${config.madeBy}`,
    `precisions  ${config.dtypes.join(", ")} (default ${config.defaultDtype})`,
    `input       ${preprocessor.size} x ${preprocessor.size} pixels`,
    `tags        ${tags.length}${off > 0 ? ` (${off} never fire)` : ""}`,
  ];
  await write(io.stdout, `${lines.join("\n")}\n`);
  return 0;
}
