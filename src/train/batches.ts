import { unknown } from "../data/tag-targets.js";
import { permutation, seededRandom } from "../tensor/random.js";
import { float32, type Tensor } from "../tensor/tensor.js";
import type { SeededPhoto } from "./augment-job.js";
import type { AugmentWorkers } from "./augment-workers.js";
import type { TrainingPhoto } from "./photo-store.js";
import type { TokenCache } from "./token-cache.js";

/** What the batches of a phase are made of. Everything random depends on the seed and the step alone, so a resumed run goes on alike. */
export interface BatchPlan {
  readonly photos: readonly TrainingPhoto[];
  readonly batch: number;
  readonly drawnTags: number;
  /** Tags of which labels or proposals say something, and the others; an eighth of the drawn are of the latter where these are to be retained. */
  readonly decided: readonly number[];
  readonly undecided: readonly number[];
  readonly retain: boolean;
  /** Whether targets are of labels alone, and the step's own classifier says what these do not (`cropProposals`). */
  readonly asks: boolean;
  /** Weight of a tag's absence where a photo says nothing of it; by id. */
  readonly silence: Float32Array;
  /** Weight of a tag's absence where a classifier says so; by id. */
  readonly absence: Float32Array;
  /** Tags that stand for the classifier's classes. */
  readonly classes: ReadonlySet<number>;
  readonly seed: number;
}

export type Batch = Readonly<Record<string, Tensor>>;

/** Where the photos' inputs come from. */
export type BatchInputs = (indices: Int32Array, step: number) => Promise<Batch>;

/** Gives the indices of the photos of a step: epochs of a fresh random order, one after the other. */
export function photoOrder({ photos, batch, seed }: Pick<BatchPlan, "photos" | "batch" | "seed">): (step: number) => Int32Array {
  let epoch = -1;
  let order: Int32Array = new Int32Array(0);
  return (step) =>
    Int32Array.from({ length: batch }, (_, i) => {
      const at = step * batch + i;
      if (Math.floor(at / photos.length) !== epoch) {
        epoch = Math.floor(at / photos.length);
        order = permutation(photos.length, seededRandom(seed, 1, epoch));
      }
      return order[at % photos.length]!;
    });
}

/** Where a classifier's proposal is as likely, the photo is taken to show the tag when tags are drawn. */
const leastShown = 0.1;

/** How likely a photo shows a tag: by its label, else proposed; null: unknown. */
function targetOf({ targets, proposals }: TrainingPhoto, id: number): number | null {
  if (targets[id] !== unknown) return targets[id]!;
  const proposed = proposals?.[id] ?? -1;
  return proposed < 0 ? null : proposed;
}

/**
 * Drawn tags with their targets and the weights of these, 0: unknown: `tag_ids` [K], `targets` and `known` [B, K]. Up to three quarters of the
 * decided ones are tags that some photo of the step shows: of tags drawn evenly, few would be, and little learnt from a photo.
 */
export function drawTags(plan: BatchPlan, indices: Int32Array, step: number): Batch {
  const { drawnTags, decided, undecided, retain, seed, photos } = plan;
  const random = seededRandom(seed, 2, step);
  const others = retain ? Math.min(undecided.length, Math.floor(drawnTags / 8)) : 0;
  const draw = (from: readonly number[], count: number): number[] => Array.from(permutation(from.length, random).subarray(0, count), (i) => from[i]!);
  const shown = draw(decided.filter((id) => indices.some((photo) => (targetOf(photos[photo]!, id) ?? 0) >= leastShown)), Math.floor(((drawnTags - others) * 3) / 4));
  const taken = new Set(shown);
  const own = [...shown, ...draw(decided.filter((id) => !taken.has(id)), drawnTags - others - shown.length)];
  // Few decided tags leave room, which those of which nothing is known fill.
  const ids = [...own, ...draw(undecided, drawnTags - own.length)];
  return { tag_ids: { dtype: "int64", shape: [ids.length], data: BigInt64Array.from(ids, BigInt) }, ...tagTargets(plan, indices, ids) };
}

/** `targets` and their weights `known` [B, K] of the tags `ids`, for the photos `indices`. */
export function tagTargets({ photos, asks, silence, absence }: Pick<BatchPlan, "photos" | "asks" | "silence" | "absence">, indices: Int32Array, ids: readonly number[]): { readonly targets: Tensor<"float32">; readonly known: Tensor<"float32"> } {
  const targets = new Float32Array(indices.length * ids.length);
  const known = new Float32Array(targets.length);
  indices.forEach((photo, row) => {
    ids.forEach((id, column) => {
      const [at, labelled] = [row * ids.length + column, photos[photo]!.targets[id] !== unknown];
      const target = asks && !labelled ? null : targetOf(photos[photo]!, id);
      // What is proposed costs what is expected by it, its absence as much as that weighs.
      known[at] = target === null ? silence[id]! : labelled ? 1 : target + (1 - target) * absence[id]!;
      targets[at] = target === null || known[at] === 0 ? 0 : Math.min(1, target / known[at]!);
    });
  });
  const shape = [indices.length, ids.length];
  return { targets: float32(shape, targets), known: float32(shape, known) };
}

/** A probability at a temperature of 2, but for the sum: enough for a classifier's second and tenth guess to count. */
const softened = Math.sqrt;

/**
 * What a classifier, kept, says of the drawn tags `tagIds` [K]: `class_targets` [B, K], its probabilities at a temperature of 2, of which each photo's
 * that it was asked about sum to 1. It is `asked` [B, K] about those that stand for its classes, where a photo's labels do not speak of them: a photo
 * that shows many things has each of them by its labels, and no more of one for less of another.
 */
export function classTargets(plan: BatchPlan, indices: Int32Array, tagIds: Tensor): Batch {
  const { asked } = askedOf(plan, indices, tagIds);
  const { photos } = plan;
  const ids = Array.from(tagIds.data as BigInt64Array, Number);
  const targets = new Float32Array(indices.length * ids.length);
  indices.forEach((photo, row) => {
    const { proposals } = photos[photo]!;
    if (proposals === undefined) return;
    const own = ids.map((id, column) => asked.data[row * ids.length + column]! * softened(Math.max(0, proposals[id]!)));
    const sum = own.reduce((a, b) => a + b, 0);
    if (sum > 0) targets.set(own.map((share) => share / sum), row * ids.length);
  });
  return { asked, class_targets: float32([indices.length, ids.length], targets) };
}

/** Where labels say nothing of the drawn tags, of photos that a classifier is asked about (`silent` [B, K]); and where the tag stands for one of its classes, too (`asked`). */
function askedOf({ photos, classes }: BatchPlan, indices: Int32Array, tagIds: Tensor): { silent: Tensor<"float32">; asked: Tensor<"float32"> } {
  const ids = Array.from(tagIds.data as BigInt64Array, Number);
  const silent = Array.from(indices, (photo) => ids.map((id) => Number(photos[photo]!.proposals !== undefined && photos[photo]!.targets[id] === unknown))).flat();
  const shape = [indices.length, ids.length];
  return { silent: float32(shape, silent), asked: float32(shape, silent.map((value, i) => value * Number(classes.has(ids[i % ids.length]!)))) };
}

/** What a step takes whose own classifier says what labels do not, of the drawn tags `tagIds` [K]: the inputs of `cropProposals`. */
export function cropInputs(plan: BatchPlan, indices: Int32Array, tagIds: Tensor): Batch {
  return { ...askedOf(plan, indices, tagIds), absence: float32(tagIds.shape, Float32Array.from(tagIds.data as BigInt64Array, (id) => plan.absence[Number(id)]!)) };
}

/** What is kept of the photos, as `tokens` [B, 1 + N, width] or `image_embeds` [B, rows, W]. `positions` gives each photo's place in the cache. */
export function keptInputs(name: "tokens" | "image_embeds", cache: TokenCache, positions: Int32Array): BatchInputs {
  const count = cache.shape[0] * cache.shape[1];
  return async (indices) => {
    const data = new Float32Array(indices.length * count);
    await Promise.all(Array.from(indices, (photo, i) => cache.read(positions[photo]!, data, i * count)));
    return { [name]: { dtype: "float32", shape: [indices.length, ...cache.shape], data } };
  };
}

/** Augmented photos, made by worker threads: `pixel_values` [B, 3, S, S]. Rows of photos that cannot be read are told. */
export function pixelInputs(photos: readonly TrainingPhoto[], size: number, workers: AugmentWorkers, seed: number, onUnreadable: (row: number, message: string) => void): BatchInputs {
  return async (indices, step) => {
    const encoded = await Promise.all(
      Array.from(indices, async (photo, i): Promise<SeededPhoto> => {
        const { name } = photos[photo]!;
        const content = await photos[photo]!.read().catch((error: Error) => error.message);
        return typeof content === "string" ? { name, problem: content, seeds: [] } : { name, bytes: content, seeds: [seed, 3, step, i] };
      }),
    );
    const { data, unreadable } = await workers.augment(encoded);
    for (const { row, message } of unreadable) onUnreadable(row, message);
    return { pixel_values: { dtype: "float32", shape: [indices.length, 3, size, size], data } };
  };
}

/** The batches of steps `from` to `to`, made `ahead` of their use. */
export async function* batchesAhead(make: (step: number) => Promise<Batch>, from: number, to: number, ahead = 3): AsyncGenerator<Batch> {
  const queue: Promise<Batch>[] = [];
  for (let step = from; step < to || queue.length > 0; step++) {
    if (step < to) {
      const next = make(step);
      // A failure is thrown when the batch's turn comes, not before.
      next.catch(() => undefined);
      queue.push(next);
    }
    if (queue.length > ahead || step >= to - 1) {
      const ready = queue.shift();
      if (ready === undefined) return;
      yield await ready;
    }
  }
}
