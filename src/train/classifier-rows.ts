import { pixelTagIds } from "../data/pixel-tags.js";
import { unknown } from "../data/tag-targets.js";
import type { Params } from "../graph/params.js";
import type { Value } from "../graph/value.js";
import { featureWidth, type RamConfig } from "../model/config.js";
import { encode, meanFeature } from "../model/ram-plus.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import type { TagIndex } from "../vocab/tag-index.js";
import { keptOutputs, type KeptFrom } from "./kept-outputs.js";
import { fitLinearProbe, type LinearProbe } from "./linear-probe.js";
import type { TrainingPhoto } from "./photo-store.js";
import type { Classifier } from "./read-classifier.js";
import { TrainError } from "./train-error.js";
import type { TrainOptions } from "./train-options.js";
import type { TrainingState } from "./trainer.js";

/** Whether weights are those of a network with a classifier. */
export const hasClassifierRows = (weights: TrainingState): boolean => weights.has("classifier.weight");

/**
 * How much is added to a tag's logit of a pretrained classifier's, and of one that was fitted to the photos' labels: the former knows more classes than the
 * network, the latter sees the same photos. Measured: with less of the former classes stand first less often; with more of either what photos of
 * 64 pixels, enlarged, show is ranked worse; with more for tags that these say nothing of, nothing is.
 */
const shares = { pretrained: 0.6, fitted: 0.06, lookedFor: 0.6 } as const;

/** Weight of a decided tag's absence on a photo that says nothing of it. */
const silence = 0.1;
/** Most and fewest steps of the fit, of 256 photos, and how often each photo is seen at most between them. */
const [mostSteps, leastSteps, passes] = [1000, 50, 20];

/** What tags a network's classifier begins with rows for. */
export interface ClassifierTags {
  readonly index: TagIndex;
  /** Tags that labels decide. */
  readonly decided: readonly number[];
  /** Those that labels of the photos that it is fitted to name: their own word goes before a pretrained classifier's. */
  readonly named: ReadonlySet<number>;
  /** Those that further labels ask about, and that other photos say nothing of. */
  readonly lookedFor: ReadonlySet<number>;
}

/**
 * Weights of a network with a classifier: `given`'s, and rows for it. A tag that stands for classes of a pretrained one has the mean of their
 * rows, unless it is `named`; of the others those that labels decide have rows that are fitted to the photos here. What is fitted sees
 * photos about which a proposer was asked, where there are such: others are small, and enlarged. Other tags have zeros. Throws a TrainError
 * (bad-train-config) for a classifier of features of another width, and the signal's reason when aborted.
 */
export async function startClassifier(shared: KeptFrom, given: TrainingState, classifier: Classifier, tags: ClassifierTags, options: TrainOptions): Promise<Map<string, Tensor>> {
  const { config, model } = shared;
  const width = featureWidth(model.encoder);
  if (classifier.weight.shape[1] !== width) throw new TrainError("bad-train-config", `the classifier sees features of ${classifier.weight.shape[1]} numbers, the encoder gives ${width}`);
  const asked = shared.photos.filter(({ proposals }) => proposals !== undefined);
  const photos = asked.length > 0 ? asked : shared.photos;
  const network = (image: Value, p: Params): Value => meanFeature(encode(image, p, model), model);
  await using cache = await keptOutputs({ config, model, photos }, { name: "features", of: [config.weights, config.blend], shape: [1, width], network, weights: given }, options);
  const places = new Map(cache.names.map((name, i) => [name, i]));
  const pretrained = pretrainedRows(classifier, tags);
  const ids = tags.decided.filter((id) => !pretrained.has(id));
  const pixels = new Set(pixelTagIds(tags.index));
  const decided = new Set(tags.decided);
  // What pixels show by themselves is asked of some photos alone, and seen on most.
  const absence = Float32Array.from(tags.index.tags, ({ id }) => (decided.has(id) && !pixels.has(id) ? silence : 0));
  const fitted = await fitLinearProbe(ids, { photos, silence: absence, absence, cache, positions: Int32Array.from(photos, ({ name }) => places.get(name)!) }, { steps: Math.min(mostSteps, Math.max(leastSteps, Math.ceil((passes * photos.length) / 256))), seed: config.seed }, options);
  return withClassifierRows(given, model, pretrained, { ids, lookedFor: tags.lookedFor, ...fitted });
}

/** Those of the tags of which these photos say nothing. */
export function undecidedBy(photos: readonly Pick<TrainingPhoto, "targets">[], tags: ReadonlySet<number>): Set<number> {
  // Photos of the same labels share their targets.
  const rows = [...new Set(photos.map(({ targets }) => targets))];
  return new Set([...tags].filter((id) => rows.every((targets) => targets[id] === unknown)));
}

/** Mean rows [width] and biases of a pretrained classifier's classes, by the tag that stands for them. */
export function pretrainedRows(classifier: Classifier, { index, named }: Pick<ClassifierTags, "index" | "named">): Map<number, { readonly row: Float32Array; readonly bias: number }> {
  const width = classifier.weight.shape[1]!;
  const places = new Map<number, number[]>();
  classifier.wnids.forEach((wnid, place) => {
    const tag = wnid === null ? undefined : index.byWnid(wnid);
    if (tag !== undefined && !named.has(tag.id)) places.set(tag.id, [...(places.get(tag.id) ?? []), place]);
  });
  return new Map(
    [...places].map(([id, own]) => {
      const mean = (at: (place: number) => number): number => own.reduce((sum, place) => sum + at(place), 0) / own.length;
      return [id, { row: Float32Array.from({ length: width }, (_, i) => mean((place) => classifier.weight.data[place * width + i] as number)), bias: mean((place) => classifier.bias.data[place] as number) }];
    }),
  );
}

/** Weights with rows for a classifier, each at its share; where the network has a bias for each tag, it has theirs. */
export function withClassifierRows(given: TrainingState, model: RamConfig, pretrained: ReturnType<typeof pretrainedRows>, fitted: LinearProbe & { readonly ids: readonly number[]; readonly lookedFor: ReadonlySet<number> }): Map<string, Tensor> {
  const width = featureWidth(model.encoder);
  const rows = new Float32Array(model.tags * width);
  const bias = given.get("similarity_bias");
  const biases = Float32Array.from((bias?.data ?? new Float32Array(model.tags)) as Float32Array);
  const put = (id: number, share: number, row: Float32Array, own: number): void => {
    row.forEach((v, i) => (rows[id * width + i] = share * v));
    biases[id]! += share * own;
  };
  for (const [id, { row, bias: own }] of pretrained) put(id, shares.pretrained, row, own);
  fitted.ids.forEach((id, i) => put(id, fitted.lookedFor.has(id) ? shares.lookedFor : shares.fitted, fitted.rows.subarray(i * width, (i + 1) * width), fitted.biases[i]!));
  return new Map<string, Tensor>([...given, ["classifier.weight", float32([model.tags, width], rows)], ...(bias === undefined ? [] : [["similarity_bias", float32([model.tags], biases)] as const])]);
}
