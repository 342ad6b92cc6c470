import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { readModelFolder } from "../bundle/model-folder.js";
import { verifyGraphs } from "../bundle/verify-graphs.js";
import type { Diagnosis, ModelReport } from "./diagnosis.js";

/** Model folders directly in these folders: whatever has a config.json beside a tags.json. Folders that cannot be read have none. */
export async function findModelFolders(folders: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders) {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const name of entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map((entry) => entry.name).sort()) {
      const has = async (file: string): Promise<boolean> => (await stat(join(folder, name, file)).catch(() => null))?.isFile() === true;
      if ((await has("config.json")) && (await has("tags.json"))) found.push(join(folder, name));
    }
  }
  return found;
}

/** A model folder with its precisions, or what is wrong with it. */
export async function inspectModel(folder: string): Promise<Diagnosis["models"][number]> {
  try {
    const model = await readModelFolder(folder);
    const precisions: ModelReport["precisions"][number][] = [];
    const { defaultDtype, dtypes } = model.config;
    for (const each of [defaultDtype, ...dtypes.filter((dtype) => dtype !== defaultDtype)]) {
      const { dtype, parameters, bytes } = await verifyGraphs(model, each);
      precisions.push({ dtype, parameters, bytes });
    }
    return { folder, precisions };
  } catch (error) {
    return { folder, problem: error instanceof Error ? error.message : String(error) };
  }
}
