import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../package-info.js";

/** The model that comes with the package. */
export const embeddedModel = "ramplus-tiny";

/** The folder of a model: a path or file: URL as it is, the name of an embedded model in the package. */
export function findModel(model: string | URL = embeddedModel): string {
  if (model instanceof URL) return fileURLToPath(model);
  const isName = !model.includes("/") && !model.includes("\\") && !existsSync(model);
  return isName && existsSync(join(packageRoot(), "models", model)) ? join(packageRoot(), "models", model) : model;
}
