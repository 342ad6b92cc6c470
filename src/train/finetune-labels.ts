import { openLabelledFolder } from "../data/labelled-folder.js";
import { openLabelledSet } from "../data/labelled-set.js";
import { indexTags } from "../vocab/tag-index.js";
import type { Tag } from "../vocab/tag.js";

/** Names that the labels of photos use, and the number of photos. */
export async function labelsOf(photos: string, labels: string | undefined, signal?: AbortSignal): Promise<{ names: string[]; count: number }> {
  if (labels !== undefined) {
    const folder = await openLabelledFolder(photos, labels, signal);
    return { names: [...new Set(folder.photos.flatMap(({ tags }) => tags))], count: folder.photos.length };
  }
  const set = await openLabelledSet(photos);
  return { names: set.classes.map(({ name }) => name), count: [...(set.splits.get("train")?.values() ?? [])].filter((photo) => photo.labels !== null).length };
}

/** The model's tags with those that labels name and it lacks. */
export function withLabels(tags: readonly Tag[], names: readonly string[]): Tag[] {
  const index = indexTags(tags);
  const added = new Map(names.filter((name) => index.byName(name) === undefined).map((name) => [name.toLowerCase(), name]));
  return [...tags, ...[...added.values()].map((en, i): Tag => ({ id: tags.length + i, en, zh: en, threshold: 0.5 }))];
}
