import type { Tag } from "../vocab/tag.js";
import { TaggerError } from "./tagger-error.js";

/** A tag of a photo. */
export interface TagScore {
  /** Row of the tag, from 0. */
  readonly id: number;
  readonly en: string;
  readonly zh: string;
  /** Probability from 0 to 1, in float32. */
  readonly score: number;
  /** What the score was held against; null: the tag is off. */
  readonly threshold: number | null;
  /** How likely it is right, where a calibration has a map for the tag. */
  readonly probability?: number;
  /** The bank that the tag comes from; none: the model's own. */
  readonly bank?: string;
  /** Where a tag stands for a word that is none: the tag, which is one of the word's kinds, or of which the word is a kind. */
  readonly placed?: { readonly relation: "kinds" | "kind of"; readonly by: string };
}

export interface SelectOptions {
  /**
   * "official": each tag's own threshold, or that of the calibration. A number: the same for every tag, those that are off too.
   * A precision: the lowest threshold at which the tag had it on the calibration's photos; a tag that never had it is not given, one
   * that the calibration knows nothing of keeps its own. @default "official"
   */
  readonly threshold?: "official" | number | { readonly precision: number };
  /** At most so many tags, the best ones. @default all */
  readonly top?: number;
  /** Leave out tags that another tag of the photo implies: "animal" beside "golden retriever". @default false */
  readonly pruneImplied?: boolean;
}

/** Throws a TaggerError for options out of range. */
export function checkSelectOptions({ threshold = "official", top }: SelectOptions): void {
  const share = typeof threshold === "object" && threshold !== null ? threshold.precision : threshold;
  if (share !== "official" && !(typeof share === "number" && share >= 0 && share <= 1)) throw new TaggerError("bad-option", `threshold ${typeof threshold === "object" ? JSON.stringify(threshold) : String(threshold)}: expected "official", a number from 0 to 1, or { precision: a number from 0 to 1 }`);
  if (top !== undefined && !(Number.isInteger(top) && top > 0)) throw new TaggerError("bad-option", `top ${top}: expected a whole number above 0`);
}

/** Probability of a logit, in float32 as the reference has it. */
export function probability(logit: number): number {
  return Math.fround(1 / Math.fround(1 + Math.exp(-logit)));
}

/** The tag with its score, held against the threshold that the options ask for; thresholds for a precision are the tag's by now. */
export function scoreOf(tag: Tag, score: number, { threshold = "official" }: SelectOptions): TagScore {
  return { id: tag.id, en: tag.en, zh: tag.zh, score, threshold: typeof threshold === "number" ? threshold : tag.threshold };
}

/** Tags whose score is greater than the threshold (strictly, in float32, as in the reference), by falling score, then by id; pruned before the best are taken. */
export function selectTags(tags: readonly Tag[], scores: Float32Array, options: SelectOptions = {}, prune: (given: readonly TagScore[]) => TagScore[] = (given) => [...given]): TagScore[] {
  const found = tags.map((tag) => scoreOf(tag, scores[tag.id]!, options)).filter(({ score, threshold }) => threshold !== null && score > Math.fround(threshold));
  return prune(found.sort((a, b) => b.score - a.score || a.id - b.id)).slice(0, options.top);
}
