import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readSafetensors } from "../checkpoint/read-safetensors.js";
import { parseJson } from "../json.js";
import type { Tensor } from "../tensor/tensor.js";
import { TrainError } from "./train-error.js";

/** A pretrained image classifier: what a model starts from, and what proposes tags where labels are silent. */
export interface Classifier {
  /** The encoder's weights, by the names that `visual_encoder.` scopes. */
  readonly encoder: ReadonlyMap<string, Tensor>;
  /** The classifier's last layer, [classes, width] and [classes]. */
  readonly weight: Tensor;
  readonly bias: Tensor;
  /** Each class's WordNet id; null: none (background). */
  readonly wnids: readonly (string | null)[];
  /** Rows of `weight` by WordNet id. */
  readonly rows: ReadonlyMap<string, Float32Array>;
}

function wnidsOf(json: unknown): (string | null)[] | null {
  const { classes } = (json ?? {}) as { classes?: unknown };
  if (!Array.isArray(classes)) return null;
  const known = classes.every((entry: unknown) => typeof entry === "object" && entry !== null && "wnid" in entry && (entry.wnid === null || typeof entry.wnid === "string"));
  return known ? (classes as { wnid: string | null }[]).map(({ wnid }) => wnid) : null;
}

/**
 * Reads a classifier's folder: `weights.safetensors`, whose `classifier.weight` and `classifier.bias` have a row for each of
 * `classes.json`. Throws a TrainError (bad-train-config) for a folder that is something else, and what the reader of checkpoints throws.
 */
export async function readClassifier(folder: string): Promise<Classifier> {
  const file = join(folder, "classes.json");
  const tensors = await readSafetensors(join(folder, "weights.safetensors"));
  let json: unknown;
  try {
    json = parseJson(await readFile(file, "utf8"));
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new TrainError("bad-train-config", `${file}: ${missing ? "does not exist" : `cannot be read: ${(cause as Error).message}`}`, { cause });
  }
  const wnids = wnidsOf(json);
  if (wnids === null) throw new TrainError("bad-train-config", `${file}: expected an object with \`classes\`, each with a \`wnid\` or null`);
  const [weight, bias] = [tensors.get("classifier.weight"), tensors.get("classifier.bias")];
  if (weight?.shape.length !== 2 || weight.shape[0] !== wnids.length || bias?.shape.join() !== String(wnids.length)) throw new TrainError("bad-train-config", `${folder}: classifier.weight and classifier.bias must have a row for each of the ${wnids.length} classes`);
  const width = weight.shape[1]!;
  const rows = new Map(wnids.flatMap((wnid, i) => (wnid === null ? [] : [[wnid, (weight.data as Float32Array).slice(i * width, (i + 1) * width)] as const])));
  return { encoder: new Map([...tensors].filter(([name]) => !name.startsWith("classifier."))), weight, bias, wnids, rows };
}
