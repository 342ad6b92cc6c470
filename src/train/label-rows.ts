import { featureWidth, type RamConfig } from "../model/config.js";
import { normal, seededRandom } from "../tensor/random.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import { median } from "./median.js";
import type { TrainingPhoto } from "./photo-store.js";
import type { TokenCache } from "./token-cache.js";
import { tagTables } from "./tag-tables.js";
import type { TrainingState } from "./trainer.js";

/** What new tags begin from. */
export interface ShownPhotos {
  readonly cache: TokenCache;
  readonly positions: Int32Array;
  readonly photos: readonly TrainingPhoto[];
  readonly seed: number;
}

/** The head's weights with the label rows of the tags `ids` alone, new ones beyond the model's. */
export async function weightsOfTags(weights: ReadonlyMap<string, Tensor<"float32">>, model: RamConfig, ids: readonly number[], shown: ShownPhotos): Promise<Map<string, Tensor>> {
  const { data } = weights.get("label_embed")!;
  const block = model.descriptions * model.textWidth;
  const rows = new Float32Array(ids.length * block);
  const length = meanLength(data, model.textWidth);
  for (const [i, id] of ids.entries()) rows.set(id < model.tags ? data.subarray(id * block, (id + 1) * block) : await shownRows(i, model, length, shown), i * block);
  const result = new Map<string, Tensor>([...weights, ["label_embed", float32([ids.length * model.descriptions, model.textWidth], rows)]]);
  const bias = weights.get("similarity_bias");
  if (bias !== undefined) {
    const usual = median(bias.data);
    result.set("similarity_bias", float32([ids.length], ids.map((id) => (id < model.tags ? bias.data[id]! : usual))));
  }
  const classifier = weights.get("classifier.weight");
  if (classifier !== undefined) {
    const width = featureWidth(model.encoder);
    const own = new Float32Array(ids.length * width);
    ids.forEach((id, i) => own.set(classifier.data.subarray(id * width, (id + 1) * width), i * width));
    result.set("classifier.weight", float32([ids.length, width], own));
  }
  return result;
}

/** Photos that the direction of a new tag is taken from, with it and without. */
const mostShown = 300;

/** Descriptions of a new tag: the direction from the photos without it to those with it, of the length of other rows, each a little apart. */
async function shownRows(tag: number, { descriptions, textWidth }: RamConfig, length: number, { cache, positions, photos, seed }: ShownPhotos): Promise<Float32Array> {
  const random = seededRandom(seed, 8, tag);
  const direction = new Float32Array(textWidth);
  for (const [value, sign] of [[1, 1], [0, -1]] as const) {
    const own = photos.flatMap(({ targets }, i) => (targets[tag] === value ? [positions[i]!] : [])).slice(0, mostShown);
    const row = new Float32Array(textWidth);
    for (const position of own) {
      await cache.read(position, row, 0, 1);
      const size = Math.hypot(...row);
      for (let i = 0; i < textWidth; i++) direction[i]! += (sign * row[i]!) / (size * own.length);
    }
  }
  const size = Math.hypot(...direction) || 1;
  const rows = new Float32Array(descriptions * textWidth);
  for (let d = 0; d < descriptions; d++) for (let i = 0; i < textWidth; i++) rows[d * textWidth + i] = length * (direction[i]! / size + 0.02 * normal(random) * textWidth ** -0.5);
  return rows;
}

/** Mean length of the first rows of a table. */
function meanLength(data: Float32Array, width: number): number {
  const count = Math.min(1000, data.length / width);
  return Array.from({ length: count }, (_, i) => Math.hypot(...data.subarray(i * width, (i + 1) * width))).reduce((a, b) => a + b) / count;
}

/** The trained head with the model's own rows, and those of new tags behind; biases are all the trained ones. */
export function weightsOfAll(own: ReadonlyMap<string, Tensor<"float32">>, trained: TrainingState, model: RamConfig, added: ReadonlySet<number>, tags: number, ids: readonly number[]): Map<string, Tensor> {
  const weights = new Map<string, Tensor>(trained);
  for (const [name, block] of tagTables(model)) {
    const [before, after] = [own.get(name), trained.get(name)?.data as Float32Array | undefined];
    if (before === undefined || after === undefined) continue;
    const table = new Float32Array(tags * block);
    table.set(before.data);
    ids.forEach((id, i) => {
      if (added.has(i) || name === "similarity_bias") table.set(after.subarray(i * block, (i + 1) * block), id * block);
    });
    const rows = (before.shape[0]! / model.tags) * tags;
    weights.set(name, float32([rows, ...before.shape.slice(1)], table));
  }
  return weights;
}
