import type { Tag } from "./tag.js";
import { VocabularyError } from "./vocabulary-error.js";

/** Where the rows of a bank come from: rows of different origin lie in different spaces and do not mix. */
export type BankOrigin =
  /** Descriptions through a text encoder; `id` is `TextEncoder.id`. */
  | { readonly kind: "text-encoder"; readonly id: string }
  /** A model's own table, or learned on its features; `id` is that of its vision graph. */
  | { readonly kind: "model"; readonly id: string };

/** A tag of a bank: what is known of any tag, and its rows. */
export interface BankTag extends Omit<Tag, "id"> {
  /** [D, W], row by row: one for each description. */
  readonly rows: Float32Array;
  /** Added to the logit by networks with the similarity term; others have no place for it. */
  readonly bias?: number;
}

/** Tags that a model does not have, ready to be looked for: their embeddings with names and thresholds. */
export interface TagBank {
  readonly name: string;
  /** Length of a row, W. */
  readonly width: number;
  readonly origin: BankOrigin;
  /** At least one; names differ. */
  readonly tags: readonly BankTag[];
}

/** A text encoder as far as banks need it: texts to unit vectors [texts, width], row by row. `TextEncoder` is one. */
export interface WordEncoder {
  readonly id: string;
  readonly width: number;
  encode(texts: readonly string[], options: { readonly truncate: boolean; readonly signal?: AbortSignal }): Promise<Float32Array>;
}

/** Threshold of a tag in a bank where nobody set another: that of the reference's open set. */
export const openSetThreshold = 0.5;

/** Descriptions of a tag in a bank. */
export const descriptionsOf = (bank: Pick<TagBank, "width">, tag: BankTag): number => tag.rows.length / bank.width;

/** The bank with the tags of several, in order. Throws a VocabularyError: wrong-encoder or wrong-model for banks of different origin, bank-conflict for a name that two of them have. */
export function mergeBanks(name: string, banks: readonly TagBank[]): TagBank {
  const [first] = banks;
  if (first === undefined) throw new VocabularyError("bad-bank", name, "expected one bank or more to merge");
  for (const bank of banks) assertSameOrigin(first, bank);
  const owners = new Map<string, TagBank>();
  for (const bank of banks) {
    for (const { en } of bank.tags) {
      const owner = owners.get(en);
      if (owner !== undefined && owner !== bank) throw new VocabularyError("bank-conflict", bank.name, `has the tag ${JSON.stringify(en)}, as ${owner.name} has; export one of them without it first (ramplus vocab export --exclude)`);
      owners.set(en, bank);
    }
  }
  return { ...first, name, tags: banks.flatMap(({ tags }) => tags) };
}

/** Throws a VocabularyError (wrong-encoder, wrong-model) for two banks whose rows do not lie in the same space. */
export function assertSameOrigin(a: TagBank, b: TagBank): void {
  if (a.origin.kind === b.origin.kind && a.origin.id === b.origin.id && a.width === b.width) return;
  throw new VocabularyError(b.origin.kind === "model" ? "wrong-model" : "wrong-encoder", b.name, `was made by ${originText(b)}, but ${a.name} by ${originText(a)}: build one of them again`);
}

/** In words, what made a bank. */
export function originText({ origin, width }: TagBank): string {
  return `${origin.kind === "model" ? "the model" : "the text encoder"} ${origin.id.slice(0, 12)} (width ${width})`;
}

/** How two banks differ, by tag. */
export interface BankDifference {
  readonly onlyFirst: readonly string[];
  readonly onlySecond: readonly string[];
  /** Tags of both whose rows, threshold or names differ. */
  readonly changed: readonly string[];
}

/** Compares banks tag by tag, whatever made them. */
export function diffBanks(first: TagBank, second: TagBank): BankDifference {
  const others = new Map(second.tags.map((tag) => [tag.en, tag]));
  const names = new Set(first.tags.map(({ en }) => en));
  const facts = ({ rows: _rows, ...rest }: BankTag): string => JSON.stringify(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)));
  const equal = (a: BankTag, b: BankTag): boolean => facts(a) === facts(b) && a.rows.length === b.rows.length && a.rows.every((v, i) => v === b.rows[i]);
  return {
    onlyFirst: first.tags.flatMap(({ en }) => (others.has(en) ? [] : [en])),
    onlySecond: second.tags.flatMap(({ en }) => (names.has(en) ? [] : [en])),
    changed: first.tags.flatMap((tag) => (others.has(tag.en) && !equal(tag, others.get(tag.en)!) ? [tag.en] : [])),
  };
}

/** The mean of unit rows [D, W], brought to unit length: how RAM, which has one row a tag, takes several descriptions. A single row stays as it is. */
export function meanRow(rows: Float32Array, width: number): Float32Array {
  if (rows.length === width) return rows;
  const sums = new Float64Array(width);
  rows.forEach((v, i) => (sums[i % width]! += v));
  const length = Math.sqrt(sums.reduce((sum, v) => sum + v * v, 0));
  return Float32Array.from(sums, (v) => v / length);
}
