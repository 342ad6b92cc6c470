import type { RamConfig } from "../model/config.js";
import { normal, seededRandom } from "../tensor/random.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import { median } from "./median.js";
import type { TrainingPhoto } from "./photo-store.js";
import type { TokenCache } from "./token-cache.js";
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

/** The trained head with the model's own label rows, and those of new tags behind. */
export function weightsOfAll(own: ReadonlyMap<string, Tensor<"float32">>, trained: TrainingState, model: RamConfig, added: ReadonlySet<number>, tags: number, ids: readonly number[]): Map<string, Tensor> {
  const block = model.descriptions * model.textWidth;
  const table = new Float32Array(tags * block);
  table.set(own.get("label_embed")!.data);
  const bias = own.get("similarity_bias");
  const biases = float32([tags], new Float32Array(tags));
  if (bias !== undefined) biases.data.set(bias.data);
  const [rows, trainedBiases] = [trained.get("label_embed")!.data as Float32Array, trained.get("similarity_bias")?.data as Float32Array | undefined];
  ids.forEach((id, i) => {
    if (added.has(i)) table.set(rows.subarray(i * block, (i + 1) * block), id * block);
    if (trainedBiases !== undefined) biases.data[id] = trainedBiases[i]!;
  });
  return new Map<string, Tensor>([...trained, ["label_embed", float32([tags * model.descriptions, model.textWidth], table)], ...(bias === undefined ? [] : ([["similarity_bias", biases]] as const))]);
}
