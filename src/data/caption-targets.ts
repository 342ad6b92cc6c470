import type { TagIndex } from "../vocab/tag-index.js";
import { captionTags } from "./caption-tags.js";
import { pixelTagIds } from "./pixel-tags.js";
import { absent, present, unknown } from "./tag-targets.js";

/** Tags that captions say without showing, and such as say too little. */
export const captionStopTags: readonly string[] = ["picture", "photo", "view", "image", "photograph", "camera", "watch", "orange", "can", "mouse", "drum", "bow", "ring"];

/** What captions say of a vocabulary's tags. */
export interface CaptionTargets {
  /** Ids of the tags that captions of enough photos name or imply, ascending: those that a photo's silence says something of. */
  readonly covered: readonly number[];
  /** Ids of the tags that a photo's captions name or imply. */
  named(captions: readonly string[]): readonly number[];
  /**
   * Fills in what a photo's targets leave unknown. What a caption names is present, with what that implies. A covered tag that none
   * names is absent, as in the reference's training, but for kinds of what is named: who writes "dog" says nothing of beagles.
   */
  fill(targets: Int8Array, captions: readonly string[]): void;
}

/**
 * Reads the captions of a set's photos as tags. `least`: photos whose captions must name or imply a tag for the others' silence to
 * mean that it is absent.
 */
export function createCaptionTargets(photos: Iterable<readonly string[]>, index: TagIndex, least = 20): CaptionTargets {
  const pixels = new Set(pixelTagIds(index));
  const parser = captionTags(index.tags, { stop: [...captionStopTags, ...[...pixels].map((id) => index.tags[id]!.en)] });
  const known = new Map<string, { readonly own: readonly number[]; readonly all: readonly number[] }>();
  const read = (captions: readonly string[]): { readonly own: readonly number[]; readonly all: readonly number[] } => {
    const key = captions.join("\n");
    const before = known.get(key);
    if (before !== undefined) return before;
    const own = [...new Set(captions.flatMap((caption) => parser.parse(caption)))];
    const result = { own, all: [...new Set(own.flatMap((id) => [id, ...index.impliedBy(index.tags[id]!)]))] };
    known.set(key, result);
    return result;
  };
  const counts = new Map<number, number>();
  for (const captions of photos) for (const id of read(captions).all) counts.set(id, (counts.get(id) ?? 0) + 1);
  const covered = [...counts].flatMap(([id, count]) => (count >= least ? [id] : [])).sort((a, b) => a - b);
  const implies = new Map(covered.map((id) => [id, index.impliedBy(index.tags[id]!)]));
  return {
    covered,
    named: (captions) => read(captions).all,
    fill(targets, captions) {
      if (captions.length === 0) return;
      const { own, all } = read(captions);
      for (const id of all) if (targets[id] === unknown) targets[id] = present;
      for (const id of covered) if (targets[id] === unknown && !own.some((each) => implies.get(id)!.has(each))) targets[id] = absent;
    },
  };
}
