import type { RamConfig } from "../model/config.js";
import { normal, seededRandom } from "../tensor/random.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import type { TagIndex } from "../vocab/tag-index.js";
import { clusterDirections, unit } from "./cluster.js";
import { initialWeights } from "./initial-weights.js";
import type { Classifier } from "./read-classifier.js";
import { meanVector, principalDirections } from "./principal-directions.js";

/** Pooled encoder features of photos that show a tag, for tags that no class of the classifier is or implies. */
export type TagFeatures = (tag: number) => readonly Float32Array[];

/**
 * Weights that start from a classifier: a row of it is a word's place in the image space, as CLIP's text embeddings are
 * to the original. The shared space is spanned by the rows' principal directions, centred on `meanFeature`; a tag's
 * descriptions are the rows of its classes and of the classes that imply it, clustered; a tag without any takes the
 * features of photos that show it, and one without either a random direction. Everything else is fresh.
 */
export function startFromClassifier(model: RamConfig, classifier: Classifier, index: TagIndex, meanFeature: Float32Array, features: TagFeatures, seed: number): Map<string, Tensor> {
  const rows = [...classifier.rows.values()];
  const mean = meanVector(rows);
  const directions = principalDirections(rows, model.textWidth);
  const project = (v: Float32Array, centre: Float32Array): Float32Array =>
    Float32Array.from(directions, (d) => {
      let sum = 0;
      for (let i = 0; i < d.length; i++) sum += d[i]! * (v[i]! - centre[i]!);
      return sum;
    });

  const ownRows: Float32Array[][] = index.tags.map(() => []);
  for (const [wnid, row] of classifier.rows) {
    const tag = index.byWnid(wnid);
    if (tag === undefined) continue;
    const projected = project(row, mean);
    for (const id of [tag.id, ...index.impliedBy(tag)]) ownRows[id]!.push(projected);
  }
  const embed = new Float32Array(model.tags * model.descriptions * model.textWidth);
  index.tags.forEach(({ id }) => {
    const random = seededRandom(seed, id);
    const known = ownRows[id]!.length > 0 ? ownRows[id]! : features(id).map((f) => project(f, meanFeature));
    const sources = known.length > 0 ? known : [Float32Array.from(directions, () => normal(random))];
    clusterDirections(sources, model.descriptions, random).forEach((direction, d) => {
      // Equal descriptions would move alike for ever: a little noise lets them part.
      const apart = unit(direction.map((v) => v + 0.02 * normal(random) * model.textWidth ** -0.5 * 4));
      embed.set(apart, (id * model.descriptions + d) * model.textWidth);
    });
  });

  const weights = new Map<string, Tensor>(initialWeights(model, seed));
  for (const [name, tensor] of classifier.encoder) weights.set(`visual_encoder.${name}`, tensor);
  const width = directions[0]!.length;
  weights.set("image_proj.weight", float32([model.textWidth, width], directions.flatMap((d) => [...d])));
  weights.set("image_proj.bias", float32([model.textWidth], project(new Float32Array(width), meanFeature)));
  weights.set("label_embed", float32([model.tags * model.descriptions, model.textWidth], embed));
  return weights;
}
