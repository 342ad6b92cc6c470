import { parseJson, showJson } from "../json.js";
import { readText } from "../vocab/read-text.js";
import { indexTags, wnidsOf } from "../vocab/tag-index.js";
import type { Tag } from "../vocab/tag.js";
import { ancestors, type Hypernyms } from "../vocab/wordnet.js";
import { EvalError } from "./eval-error.js";
import type { TagGroup } from "./evaluate-scores.js";

/** Tags by the name of their group; a tag may be in several. */
export type NamedGroups = Readonly<Record<string, readonly string[]>>;

/**
 * How tags are grouped: by a list; "parents": each tag that two or more of the measured ones are or imply makes a group of them;
 * WordNet's hypernyms: each synset that is above two or more of them, or one of them itself.
 */
export type Grouping = NamedGroups | "parents" | { readonly hypernyms: Hypernyms };

/** Reads groups, JSON: `{"group": ["tag", ...], ...}`. Throws an EvalError (bad-groups), a VocabularyError for a file that cannot be read. */
export async function readGroups(file: string): Promise<NamedGroups> {
  const text = await readText(file);
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (cause) {
    throw new EvalError("bad-groups", `${file}: is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new EvalError("bad-groups", `${file}: expected {"group": ["tag", ...], ...}, received ${showJson(json)}`);
  for (const [name, tags] of Object.entries(json)) {
    if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === "string")) throw new EvalError("bad-groups", `${file}: group ${showJson(name)}: expected a list of tags, received ${showJson(tags)}`);
  }
  return json as NamedGroups;
}

/** Groups of the tags measured, which stand at these places by name and tag. Groups without any of them are left out. Throws an EvalError (bad-groups) where that leaves none. */
export function groupTags(grouping: Grouping, measured: readonly { readonly name: string; readonly tag: Tag }[], vocabulary: readonly Tag[]): TagGroup[] {
  const index = indexTags(vocabulary);
  const groups = new Map<string, Set<number>>();
  const add = (group: string, place: number): void => void groups.set(group, (groups.get(group) ?? new Set()).add(place));
  const least = typeof grouping === "string" || isHypernyms(grouping) ? 2 : 1;
  if (grouping === "parents") {
    measured.forEach(({ tag }, place) => {
      for (const id of [tag.id, ...index.impliedBy(tag)]) add(vocabulary[id]!.en, place);
    });
  } else if (isHypernyms(grouping)) {
    const { hypernyms } = grouping;
    measured.forEach(({ tag }, place) => {
      for (const wnid of new Set(wnidsOf(tag).flatMap((own) => [own, ...ancestors(own, hypernyms)]))) add(hypernyms[wnid]?.words[0] ?? wnid, place);
    });
  } else {
    for (const [group, names] of Object.entries(grouping)) {
      const [exact, ids] = [new Set(names), new Set(names.flatMap((name) => index.byName(name)?.id ?? []))];
      measured.forEach(({ name, tag }, place) => (exact.has(name) || ids.has(tag.id)) && add(group, place));
    }
  }
  const found = [...groups].filter(([, places]) => places.size >= least).map(([name, places]) => ({ name, columns: [...places] }));
  if (found.length === 0) throw new EvalError("bad-groups", "no group has a tag that is measured");
  return least === 1 ? found : found.sort((a, b) => b.columns.length - a.columns.length || (a.name < b.name ? -1 : 1));
}

const isHypernyms = (grouping: Grouping): grouping is { readonly hypernyms: Hypernyms } => typeof grouping === "object" && "hypernyms" in grouping && !Array.isArray(grouping.hypernyms);
