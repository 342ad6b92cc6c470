import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BundleError } from "../bundle/bundle-error.js";
import { modelsFolder, officialModelNames } from "../bundle/models-folder.js";
import { packageRoot } from "../package-info.js";
import { TaggerError } from "./tagger-error.js";

/** The model that comes with the package. */
export const embeddedModel = "ramplus-tiny";

/**
 * The folder of a model: a path or file: URL as it is, the name of an embedded model in the package or of an official model
 * that was pulled; without one the package's own. Throws a TaggerError for a name or URL that is none, a BundleError for an
 * official model that is not here yet.
 */
export function findModel(model?: string | URL): string {
  // Not by name: a folder of that name where the program happens to run is another model.
  if (model === undefined) return join(packageRoot(), "models", embeddedModel);
  if (model instanceof URL) return pathOf(model);
  if (model === "") throw new TaggerError("bad-option", "the model's name is empty");
  const isName = !model.includes("/") && !model.includes("\\") && !existsSync(model);
  if (!isName) return model;
  for (const folder of [join(packageRoot(), "models", model), join(modelsFolder(), model)]) if (existsSync(join(folder, "config.json"))) return folder;
  if (officialModelNames.some((name) => name === model)) throw new BundleError("model-not-found", model, `is not here yet: \`ramplus pull ${model}\` downloads and converts it`);
  return model;
}

function pathOf(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new TaggerError("bad-option", `model ${url.href}: expected a file: URL: ${(cause as Error).message}`, { cause });
  }
}
