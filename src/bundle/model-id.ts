import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Precision } from "./model-config.js";
import { bankGraphFile, graphFiles, type ModelFolder } from "./model-folder.js";

async function update(hash: Hash, file: string, signal?: AbortSignal): Promise<void> {
  if ((await stat(file).catch(() => null)) === null) return;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20, ...(signal && { signal }) })) hash.update(chunk as Uint8Array);
}

/** What a photo's features depend on besides the photo: a sha256 of the vision graph at a precision, its weights, and what is done to a photo before. */
export async function visionId({ folder, preprocessor }: ModelFolder, dtype: Precision, signal?: AbortSignal): Promise<string> {
  const { vision } = graphFiles(folder, dtype);
  const hash = createHash("sha256").update(JSON.stringify(preprocessor));
  for (const file of [vision, `${vision}.data`]) await update(hash, file, signal);
  return hash.digest("hex");
}

/**
 * What rows learned on a model's features depend on: a sha256 of its vision graph at its default precision and of the graph of
 * its head. The head's large weights lie elsewhere, but none of them is changed alone: biases and norms are in the graph itself.
 */
export async function modelId(model: ModelFolder, signal?: AbortSignal): Promise<string> {
  const { defaultDtype } = model.config;
  const hash = createHash("sha256").update(await visionId(model, defaultDtype, signal));
  await update(hash, bankGraphFile(model.folder, defaultDtype), signal);
  return hash.digest("hex");
}

/**
 * What a photo's scores for a model's own tags depend on besides the photo: a sha256 of both graphs at a precision with their
 * weights, and of what is done to a photo before. Names and thresholds have no part in it.
 */
export async function scoresId(model: ModelFolder, dtype: Precision, signal?: AbortSignal): Promise<string> {
  const { tagging } = graphFiles(model.folder, dtype);
  const hash = createHash("sha256").update(await visionId(model, dtype, signal));
  for (const file of [tagging, `${tagging}.data`]) await update(hash, file, signal);
  return hash.digest("hex");
}

/** Tells a model from others without reading all of its weights: a sha256 of both graphs at its default precision, which hold its norms and biases, of what is done to a photo, and of its tags' names. */
export async function graphsId(model: ModelFolder, signal?: AbortSignal): Promise<string> {
  const { vision, tagging } = graphFiles(model.folder, model.config.defaultDtype);
  const hash = createHash("sha256").update(JSON.stringify([model.preprocessor, model.tags.map(({ en }) => en)]));
  for (const file of [vision, tagging]) await update(hash, file, signal);
  return hash.digest("hex");
}
