import { createHash } from "node:crypto";
import { readModelFolder } from "../bundle/model-folder.js";
import { scoresId } from "../bundle/model-id.js";
import type { ChosenTag, TagChoiceOptions } from "../tagger/tag-choice.js";
import type { Tagger } from "../tagger/tagger.js";
import type { PhotoSource } from "./photo-source.js";
import { openScoreJournal, type JournalEntry, type JournalHead, type ScoreJournal } from "./score-journal.js";

export interface ScoreOptions {
  /** Which tags the scores are of. @default the model's own */
  readonly choice?: TagChoiceOptions;
  /** File that keeps the scores; what it holds is not computed again. @default none */
  readonly journal?: string;
  /** Begin the journal anew. @default false */
  readonly force?: boolean;
  /** Turn photos upright by their EXIF orientation. @default true */
  readonly orient?: boolean;
  /** At most so many photos, the first ones. @default all */
  readonly limit?: number;
  /** Photos that go through the network together. @default the tagger's */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  /** `kept` of the photos that are done had their scores already. */
  readonly onProgress?: (done: number, total: number, kept: number) => void;
}

/** A photo without scores. */
export interface UnscoredPhoto {
  readonly photo: string;
  readonly code: string;
  readonly message: string;
}

/** Scores of photos for some tags, by columns. */
export interface ScoredPhotos {
  /** Photos that have scores, in their source's order. */
  readonly photos: readonly string[];
  readonly failed: readonly UnscoredPhoto[];
  /** Photos that the source names and does not have. */
  readonly missing: readonly string[];
  /** For each of the tags asked for the scores of the photos. */
  readonly columns: readonly Float32Array[];
  /** For each photo the ids of the three best of all tags. */
  readonly first: readonly (readonly number[])[];
}

const bestShown = 3;

/** Ids of the best scores, best first; among equal ones the lower id. */
function bestOf(scores: Float32Array): number[] {
  const best: number[] = [];
  scores.forEach((score, id) => {
    if (best.length === bestShown && !(score > scores[best.at(-1)!]!)) return;
    const place = best.findIndex((other) => score > scores[other]!);
    best.splice(place < 0 ? best.length : place, 0, id);
    best.length = Math.min(best.length, bestShown);
  });
  return best;
}

/** What scores depend on besides photos: the model's files, which tags are looked for in which order, and the rows of banks. */
async function scorerId(tagger: Tagger, chosen: readonly ChosenTag[], { banks = [] }: TagChoiceOptions, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256").update(await scoresId(await readModelFolder(tagger.folder), tagger.dtype, signal));
  hash.update(JSON.stringify(chosen.map(({ en, bank, placed }) => [en, bank, placed])));
  for (const { tags: rows } of banks) for (const { en, rows: values, bias } of rows) hash.update(JSON.stringify([en, bias])).update(values);
  return hash.digest("hex");
}

/**
 * Scores photos for the tags of these ids (`chosen[id]`), keeping for each photo those alone. Photos that cannot be read are listed.
 * Throws an EvalError for a journal that cannot be gone on with, what the tagger and the source throw, and the signal's reason when aborted.
 */
export async function scorePhotos(tagger: Tagger, source: PhotoSource, chosen: readonly ChosenTag[], ids: readonly number[], options: ScoreOptions = {}): Promise<ScoredPhotos> {
  const { choice = {}, orient = true, limit = Infinity, signal, onProgress } = options;
  const place = new Map(source.names.map((name, i) => [name, i]));
  const columns = ids.map(() => new Float32Array(place.size));
  const [stamps, first] = [new Map<number, string>(), new Map<number, readonly number[]>()];
  const keep = ({ photo, stamp, first: best, scores }: JournalEntry, where: Int32Array): void => {
    const row = place.get(photo);
    if (row === undefined) return;
    columns.forEach((column, i) => (column[row] = scores[where[i]!]!));
    stamps.set(row, stamp);
    first.set(row, best);
  };

  const wanted = ids.map((id) => chosen[id]!.en);
  let where: Int32Array | null = null;
  const journal = await openJournal(options, async () => ({ model: await scorerId(tagger, chosen, choice, signal), dtype: tagger.dtype, orient, tags: [...new Set(wanted)] }), (entry, tags) => keep(entry, (where ??= placesOf(wanted, tags))));
  const tags = journal?.tags ?? [...new Set(wanted)];
  where ??= placesOf(wanted, tags);
  const idOf = new Map(chosen.map(({ en }, id) => [en, id]));
  const rowIds = tags.map((tag) => idOf.get(tag)!);

  const total = Math.min(limit, place.size);
  const order: number[] = [];
  const failed = new Map<number, UnscoredPhoto>();
  const waiting: { name: string; stamp: string; row: number }[] = [];
  let [kept, done] = [0, 0];
  async function* unscored(): AsyncGenerator<string | Uint8Array> {
    const met = new Set<number>();
    for await (const { name, stamp, image } of source.photos(undefined, signal)) {
      const row = place.get(name)!;
      if (met.has(row)) continue;
      if (met.size >= limit) return;
      met.add(row);
      order.push(row);
      if (stamps.get(row) === stamp) {
        onProgress?.(++done, total, ++kept);
        continue;
      }
      waiting.push({ name, stamp, row });
      yield image;
    }
  }
  try {
    for await (const outcome of tagger.tagStream(unscored(), { ...choice, scores: true, orient, ...(options.batch !== undefined && { batch: options.batch }), ...(signal && { signal }) })) {
      const { name, stamp, row } = waiting.shift()!;
      if ("error" in outcome) failed.set(row, { photo: name, code: outcome.error.code, message: outcome.error.message });
      else {
        const all = outcome.result.scores!;
        const entry = { photo: name, stamp, first: bestOf(all), scores: Float32Array.from(rowIds, (id) => all[id]!) };
        await journal?.add(entry);
        keep(entry, where);
      }
      onProgress?.(++done, total, kept);
    }
  } finally {
    await journal?.close();
  }
  const scored = order.filter((row) => !failed.has(row));
  const met = new Set(order);
  return {
    missing: met.size < limit ? source.names.filter((_, row) => !met.has(row)) : [],
    photos: scored.map((row) => source.names[row]!),
    failed: order.flatMap((row) => failed.get(row) ?? []),
    // One after the other, so that no two whole copies are held.
    columns: columns.map((column, i) => (columns[i] = Float32Array.from(scored, (row) => column[row]!))),
    first: scored.map((row) => first.get(row)!),
  };
}

/** For each tag asked for its place among those of a row. */
function placesOf(wanted: readonly string[], tags: readonly string[]): Int32Array {
  const places = new Map(tags.map((tag, i) => [tag, i]));
  return Int32Array.from(wanted, (tag) => places.get(tag)!);
}

async function openJournal({ journal, force = false, signal }: ScoreOptions, head: () => Promise<JournalHead>, onEntry: (entry: JournalEntry, tags: readonly string[]) => void): Promise<ScoreJournal | null> {
  return journal === undefined ? null : openScoreJournal(journal, await head(), { force, onEntry, ...(signal && { signal }) });
}
