import { join } from "node:path";
import { cacheFolder } from "../cache-folder.js";

/** Official models that `ramplus pull` downloads and converts. */
export type OfficialModelName = "ram-plus" | "ram";

export const officialModelNames: readonly OfficialModelName[] = ["ram-plus", "ram"];

/** Where converted official models lie, each in a folder of its name. */
export function modelsFolder(cache: string = cacheFolder()): string {
  return join(cache, "models");
}
