import type { TagIndex } from "../vocab/tag-index.js";
import { DataError } from "./data-error.js";
import { readLabelFile } from "./label-file.js";
import { absent, present, unknown } from "./tag-targets.js";

/** What a file of labels says of some photos beside the labels of their set. */
export interface FurtherLabels {
  /** Ids of the tags that the file's labels decide, and of those that they imply, ascending. */
  readonly covered: readonly number[];
  /** Ids of the tags that all its photos were asked about, ascending. */
  readonly asked: readonly number[];
  /** Keys of the photos that the file names. */
  readonly photos: ReadonlySet<string>;
  /** Whether the photo shows the tag: present, absent, or unknown where nothing is said of that. */
  of(key: string, id: number): number;
  /**
   * Adds what is said of the photo to what is known of it, in place; nothing for a photo that the file does not name. `labelled` is what the
   * set's labels alone say of it, whose absences hold; an absence that only the silence of captions means gives way.
   */
  fill(targets: Int8Array, key: string, labelled: Int8Array): void;
}

/** Before a tag of which whoever looked was not sure. */
const unsure = "?";

/**
 * Reads further labels of a set's photos (`readLabelFile`, photos by their keys). All its photos were asked about every tag that occurs in
 * it: on a photo without the tag it is absent, with `?` before it ("?hill") unknown. What a shown tag implies is present. Where the
 * set's own labels say that a tag is absent and these that it is shown, it is unknown; where they say that it is present it is.
 * Throws a DataError: not-found, bad-labels (also for a tag that the vocabulary lacks).
 */
export async function readFurtherLabels(file: string, index: TagIndex): Promise<FurtherLabels> {
  const idOf = (name: string, photo: string): number => {
    const tag = index.byName(name);
    if (tag === undefined) throw new DataError("bad-labels", file, `${JSON.stringify(photo)} has ${JSON.stringify(name)}, which is no tag of the vocabulary`);
    return tag.id;
  };
  const photos = new Map((await readLabelFile(file)).map(({ file: photo, tags }) => [photo, {
    shown: tags.filter((tag) => !tag.startsWith(unsure)).map((tag) => idOf(tag, photo)),
    unsure: tags.filter((tag) => tag.startsWith(unsure)).map((tag) => idOf(tag.slice(unsure.length), photo)),
  }]));
  const asked = new Set([...photos.values()].flatMap((said) => [...said.shown, ...said.unsure]));
  const sorted = (ids: Iterable<number>): number[] => [...ids].sort((a, b) => a - b);
  const withImplied = (ids: readonly number[]): Set<number> => new Set(ids.flatMap((id) => [id, ...index.impliedBy(index.tags[id]!)]));
  // A hill that may be there may be what it implies, too.
  const sets = new Map([...photos].map(([key, said]) => [key, { shown: withImplied(said.shown), open: withImplied(said.unsure) }]));
  const of = (key: string, id: number): number => {
    const said = sets.get(key);
    if (said === undefined) return unknown;
    return said.shown.has(id) ? present : asked.has(id) && !said.open.has(id) ? absent : unknown;
  };
  return {
    covered: sorted(withImplied([...asked])),
    asked: sorted(asked),
    photos: new Set(photos.keys()),
    of,
    fill(targets, key, labelled) {
      const said = sets.get(key);
      if (said === undefined) return;
      for (const id of said.open) if (targets[id] === absent && labelled[id] === unknown) targets[id] = unknown;
      for (const id of said.shown) targets[id] = labelled[id] === absent ? unknown : present;
      for (const id of asked) if (targets[id] === unknown && labelled[id] === unknown && of(key, id) === absent) targets[id] = absent;
    },
  };
}

/** Of photos that were looked at, share that show a tag that their captions do not name, above which silence says nothing of it; and fewest such photos. */
const [wrongSilence, leastSilent] = [0.1, 50];

/**
 * Ids of the tags of which a set's captions keep silent though photos show them: more than a tenth of the photos that were looked at show
 * it among those whose captions do not name it ("sky", that nobody mentions). `named`: of a photo, by its key, the tags that its captions name.
 */
export function unmentioned(further: FurtherLabels, named: (key: string) => readonly number[]): number[] {
  const silent = new Map<number, { photos: number; shown: number }>(further.asked.map((id) => [id, { photos: 0, shown: 0 }]));
  for (const key of further.photos) {
    const said = new Set(named(key));
    for (const [id, count] of silent) {
      const shows = further.of(key, id);
      if (said.has(id) || shows === unknown) continue;
      count.photos++;
      if (shows === present) count.shown++;
    }
  }
  return [...silent].flatMap(([id, { photos, shown }]) => (photos >= leastSilent && shown > wrongSilence * photos ? [id] : []));
}
