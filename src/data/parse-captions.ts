import type { TagIndex } from "../vocab/tag-index.js";
import { writeWhole } from "../write-whole.js";
import { captionTags, lemmasOf } from "./caption-tags.js";
import type { CaptionedPhoto } from "./captioned-photos.js";
import { DataError } from "./data-error.js";

/** An entry of the reference's training JSON. */
export interface ParsedPhoto {
  readonly image_path: string;
  readonly caption: readonly string[];
  /** Ids of the tags that its labels or captions name, with what these imply. */
  readonly union_label_id: readonly number[];
  /** Ids of the tags that each caption names. */
  readonly parse_label_id: readonly (readonly number[])[];
}

export interface ParsedCaptions {
  readonly photos: readonly ParsedPhoto[];
  /** Photos that name or imply each tag, by id. */
  readonly counts: ReadonlyMap<number, number>;
  /** Labels of the data set that no tag stands for. */
  readonly untagged: readonly string[];
}

/** Parses captions to tags (`captionTags`), into what the reference's training reads. */
export function parseCaptions(photos: readonly CaptionedPhoto[], index: TagIndex, stop: readonly string[] = []): ParsedCaptions {
  const parser = captionTags(index.tags, { stop });
  const [counts, untagged] = [new Map<number, number>(), new Set<string>()];
  const parsed = photos.map(({ image, captions, labels }): ParsedPhoto => {
    const each = captions.map((caption) => parser.parse(caption).sort((a, b) => a - b));
    const own = new Set(each.flat());
    for (const label of labels) {
      const tag = index.byName(label);
      if (tag === undefined) untagged.add(label);
      else own.add(tag.id);
    }
    const all = [...new Set([...own].flatMap((id) => [id, ...index.impliedBy(index.tags[id]!)]))].sort((a, b) => a - b);
    for (const id of all) counts.set(id, (counts.get(id) ?? 0) + 1);
    return { image_path: image, caption: captions, union_label_id: all, parse_label_id: each };
  });
  return { photos: parsed, counts, untagged: [...untagged] };
}

/** Writes the reference's training JSON, a photo a line, beside and renamed. Throws a DataError (unwritable). */
export async function writeReferenceList(file: string, photos: readonly ParsedPhoto[]): Promise<void> {
  try {
    await writeWhole(file, `[\n${photos.map((photo) => JSON.stringify(photo)).join(",\n")}\n]\n`);
  } catch (cause) {
    throw new DataError("unwritable", file, `cannot be written: ${(cause as Error).message}`, { cause });
  }
}

/** A word or pair of words that captions use. */
export interface CaptionWord {
  readonly word: string;
  readonly kind: "noun" | "verb" | "pair";
  /** Photos whose captions have it. */
  readonly photos: number;
  /** The tag of this name, where the vocabulary has one. */
  readonly tag: string | null;
}

/** Words that say nothing of a photo. */
const empty = new Set("a an the this that these those his her its their my your our some any each every another other both he she it they him them be is are was were being been am do does did have has had having can could will would may might get make of to in on at by".split(" "));

/** Words of captions by how many photos have them, and pairs of a word with a noun: what a vocabulary may want. At least `least` photos each. */
export function captionWords(photos: readonly CaptionedPhoto[], index: TagIndex | null, least: number): CaptionWord[] {
  const counts = new Map<string, number>();
  for (const { captions } of photos) {
    const seen = new Set<string>();
    for (const sentence of captions.flatMap((caption) => lemmasOf(caption))) {
      sentence.forEach(({ word, kind }, i) => {
        if (empty.has(word)) return;
        if (kind !== "other" && /\p{L}/u.test(word)) seen.add(JSON.stringify([kind, word]));
        const next = sentence[i + 1];
        if (next?.kind === "noun" && kind !== "verb" && /^[\p{L}\p{N}]/u.test(word)) seen.add(JSON.stringify(["pair", `${word} ${next.word}`]));
      });
    }
    for (const key of seen) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const words = [...counts].flatMap(([key, count]): CaptionWord[] => {
    if (count < least) return [];
    const [kind, word] = JSON.parse(key) as [CaptionWord["kind"], string];
    return [{ word, kind, photos: count, tag: index?.byName(word)?.en ?? null }];
  });
  return words.sort((a, b) => b.photos - a.photos || (a.word < b.word ? -1 : 1));
}
