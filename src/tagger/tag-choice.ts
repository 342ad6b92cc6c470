import { join } from "node:path";
import { packageRoot } from "../package-info.js";
import { indexTags } from "../vocab/tag-index.js";
import type { Tag } from "../vocab/tag.js";
import { openSetThreshold, type TagBank } from "../vocab/tag-bank.js";
import { loadHypernyms } from "../vocab/wordnet.js";
import { wordPlacer, type PlacedWord } from "./place-word.js";
import { TaggerError } from "./tagger-error.js";
import { fitsPattern } from "./wildcards.js";

/** Which tags photos are held against. */
export interface TagChoiceOptions {
  /** Banks of tags. What else is looked for changes no score: only tags of the same bank, or of the model, are lifted by those that imply them. @default none */
  readonly banks?: readonly TagBank[];
  /** Look for the model's own tags. @default where no banks are given */
  readonly builtIn?: boolean;
  /**
   * Look for these alone: names or aliases of tags of the banks and the model; words that WordNet places among them; with a
   * text encoder any other word too.
   */
  readonly tags?: readonly string[];
  /** Tags whose English name, Chinese name or alias fits one of these patterns (`*` any characters, `?` one; case does not matter). @default all */
  readonly only?: readonly string[];
  /** Without tags that fit one of these patterns. @default none */
  readonly exclude?: readonly string[];
}

/** A tag that photos are held against, with `id` its place among them. */
export interface ChosenTag extends Tag {
  /** The bank that it comes from; none: the model's own. */
  readonly bank?: string;
  /** Where other tags stand for a word that is none: how. */
  readonly placed?: PlacedWord["relation"];
}

/** Where scores come from: the model's own tags, or a bank. */
export type TagSource = { readonly kind: "built-in"; readonly count: number } | { readonly kind: "bank"; readonly bank: TagBank; readonly count: number };

/** Tags to look for, resolved. Scores of all sources, one after the other, are the columns. */
export interface TagChoice {
  readonly tags: readonly ChosenTag[];
  readonly sources: readonly TagSource[];
  /** For each tag the columns of which the best is its score; null: tags are the columns. */
  readonly columns: readonly (readonly number[])[] | null;
  /** Names and thresholds of the columns. */
  readonly columnTags: readonly ChosenTag[];
}

/** Makes a bank of words with a text encoder. */
export type EncodeWords = (words: readonly string[]) => Promise<TagBank>;

/** All of a model's own tags. */
export function ownTags(tags: readonly Tag[]): TagChoice {
  return { tags, sources: [{ kind: "built-in", count: tags.length }], columns: null, columnTags: tags };
}

/**
 * Resolves a choice of tags for a model whose own are `own`. Throws a TaggerError: bad-option for an empty choice,
 * unknown-tag naming the words that nothing can place.
 */
export async function chooseTags(own: readonly Tag[], options: TagChoiceOptions, encodeWords: EncodeWords | null): Promise<TagChoice> {
  const { banks = [], tags: words, builtIn = banks.length === 0, only, exclude } = options;
  if (words?.length === 0) throw new TaggerError("bad-option", "tags: the list is empty");
  const sources: TagSource[] = builtIn ? [{ kind: "built-in", count: own.length }] : [];
  const columnTags: ChosenTag[] = builtIn ? [...own] : [];
  const addBank = (bank: TagBank): void => {
    sources.push({ kind: "bank", bank, count: bank.tags.length });
    for (const { rows: _rows, bias: _bias, ...tag } of bank.tags) columnTags.push({ ...tag, id: columnTags.length, bank: bank.name });
  };
  for (const bank of new Set(banks)) addBank(bank);
  if (sources.length === 0) throw new TaggerError("bad-option", "there are no tags to look for: neither the model's own nor a bank");
  const entries = words === undefined ? byName(columnTags, sources.length) : await placeWords(words, columnTags, encodeWords, addBank);
  const fits = (tag: Tag, patterns: readonly string[]): boolean => [tag.en, tag.zh.trim(), ...(tag.aliases ?? [])].some((name) => patterns.some((pattern) => fitsPattern(name, pattern)));
  for (const pattern of only ?? []) if (!entries.some(({ tag }) => fits(tag, [pattern]))) throw new TaggerError("unknown-tag", `no tag fits ${JSON.stringify(pattern)}`);
  const kept = entries.filter(({ tag }) => (only === undefined || fits(tag, only)) && !(exclude !== undefined && fits(tag, exclude)));
  if (kept.length === 0) throw new TaggerError("bad-option", "no tag is left to look for: all are excluded");
  const whole = kept.length === columnTags.length && kept.every(({ columns }, i) => columns.length === 1 && columns[0] === i);
  return { tags: kept.map(({ tag }, id) => ({ ...tag, id })), sources, columns: whole ? null : kept.map(({ columns }) => columns), columnTags };
}

/** The scores of a choice's tags from those of its columns; where several stand for a tag the best decides, one above its threshold before one that is not, and gives the tag its threshold. */
export function chosenScores({ tags, columns, columnTags }: TagChoice, scores: Float32Array): { readonly tags: readonly ChosenTag[]; readonly scores: Float32Array; readonly best: (id: number) => number } {
  if (columns === null) return { tags, scores, best: (id) => id };
  const fires = (column: number): boolean => columnTags[column]!.threshold !== null && scores[column]! > Math.fround(columnTags[column]!.threshold!);
  const best = columns.map((own) => own.reduce((a, b) => (Number(fires(b)) - Number(fires(a)) || scores[b]! - scores[a]!) > 0 ? b : a));
  const deciding = (tag: ChosenTag): ChosenTag => {
    const { threshold, bank } = columnTags[best[tag.id]!]!;
    const { bank: _bank, ...rest } = tag;
    return { ...rest, threshold, ...(bank !== undefined && { bank }) };
  };
  return { tags: tags.map((tag) => (columns[tag.id]!.length === 1 && tag.placed === undefined ? tag : deciding(tag))), scores: Float32Array.from(best, (column) => scores[column]!), best: (id) => best[id]! };
}

/** One entry for each name: the same tag in several sources is one tag, whatever their order. */
function byName(columnTags: readonly ChosenTag[], sources: number): Entry[] {
  if (sources === 1) return columnTags.map((tag) => ({ tag, columns: [tag.id] }));
  const entries = new Map<string, { tag: ChosenTag; columns: number[] }>();
  for (const tag of columnTags) {
    const entry = entries.get(tag.en);
    if (entry === undefined) entries.set(tag.en, { tag, columns: [tag.id] });
    else entry.columns.push(tag.id);
  }
  return [...entries.values()];
}

interface Entry {
  readonly tag: ChosenTag;
  readonly columns: readonly number[];
}

async function placeWords(words: readonly string[], columnTags: ChosenTag[], encodeWords: EncodeWords | null, addBank: (bank: TagBank) => void): Promise<Entry[]> {
  const unique = [...new Set(words.map((word) => word.trim()))];
  const named = namedColumns(columnTags);
  const found = new Map<string, Entry>();
  for (const word of unique) {
    const columns = named(word);
    if (columns.length > 0) found.set(word, { tag: columnTags[columns[0]!]!, columns });
  }
  let open = unique.filter((word) => !found.has(word));
  if (open.length > 0 && encodeWords !== null) {
    const first = columnTags.length;
    addBank(await encodeWords(open));
    open.forEach((word, i) => found.set(word, { tag: columnTags[first + i]!, columns: [first + i] }));
    open = [];
  }
  if (open.length > 0) {
    const place = wordPlacer(columnTags, await loadHypernyms(join(packageRoot(), "models", "wordnet", "hypernyms.json")));
    for (const word of open) {
      const placed = place(word);
      if (placed !== null) found.set(word, { tag: { id: 0, en: word, zh: word, threshold: openSetThreshold, placed: placed.relation }, columns: placed.ids });
    }
    const unknown = open.filter((word) => !found.has(word));
    if (unknown.length > 0) {
      const list = unknown.slice(0, 10).map((word) => JSON.stringify(word)).join(", ");
      throw new TaggerError("unknown-tag", `${list}${unknown.length > 10 ? ` and ${unknown.length - 10} more` : ""}: neither a tag nor a word that WordNet places among the tags; teach it from photos (\`ramplus teach\`), or describe it for a model with a text encoder (\`ramplus vocab build\`)`);
    }
  }
  return unique.map((word) => found.get(word)!);
}

/** Columns by name or alias; the same name in several sources is all of them, whatever their order. */
function namedColumns(tags: readonly ChosenTag[]): (word: string) => number[] {
  const bySource = new Map<string | undefined, ChosenTag[]>();
  for (const tag of tags) {
    const own = bySource.get(tag.bank);
    if (own === undefined) bySource.set(tag.bank, [tag]);
    else own.push(tag);
  }
  const indices = [...bySource.values()].map((own) => indexTags(own));
  return (word) => indices.flatMap((index) => index.byName(word)?.id ?? []);
}
