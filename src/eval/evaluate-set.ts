import { openLabelledSet, type LabelledSet } from "../data/labelled-set.js";
import { readShard } from "../data/tar-shards.js";
import { DataError } from "../data/data-error.js";
import { createTargets, present, unknown, type TagTargets } from "../data/tag-targets.js";
import type { Tagger } from "../tagger/tagger.js";
import { indexTags, wnidsOf } from "../vocab/tag-index.js";
import { ancestors, type Hypernyms } from "../vocab/wordnet.js";
import { averagePrecision } from "./average-precision.js";

export interface EvaluateOptions {
  /** Split of the set. @default "val" */
  readonly split?: string;
  /** At most so many photos, the first ones. @default all */
  readonly limit?: number;
  /** WordNet's hypernyms, for the share of photos whose class or an ancestor of it comes first. */
  readonly hypernyms?: Hypernyms;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** How a tag did on the photos for which its truth is known. */
export interface TagReport {
  readonly en: string;
  /** Photos that show it. */
  readonly positives: number;
  /** Average precision; 0 without positives. */
  readonly ap: number;
  /** At the tag's own threshold. */
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** How a model did on a split of a labelled set. */
export interface SetReport {
  readonly set: string;
  readonly split: string;
  readonly photos: number;
  /** Photos that could not be read. */
  readonly failed: readonly { readonly photo: string; readonly message: string }[];
  /** Mean average precision over the set's classes; a class without a tag counts 0. */
  readonly classMap: number;
  readonly classes: number;
  /** The same over classes with ten or more photos. */
  readonly classMapOfTen: number;
  readonly classesOfTen: number;
  /** Mean average precision over tags that the classes imply, without the classes' own. */
  readonly hypernymMap: number;
  readonly hypernyms: number;
  /** Over all decisions on tags that the set covers, at their thresholds. */
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Classes that no tag stands for. */
  readonly untagged: readonly string[];
  readonly tags: readonly TagReport[];
  /** Where each photo has one class with a WordNet id: shares of photos. */
  readonly firstTags?: {
    /** The class's tag is first, among the first five, of the tags that stand for classes of the set. */
    readonly top1: number;
    readonly top5: number;
    /** The class or an ancestor of it is among the first three of all tags by score. */
    readonly classOrAncestorInThree: number;
  };
}

/** Tags a split of a labelled set and compares with its labels. Throws a DataError for a set that cannot be read. */
export async function evaluateSet(tagger: Tagger, folder: string, options: EvaluateOptions = {}): Promise<SetReport> {
  const { split = "val", limit = Infinity, signal, onProgress } = options;
  const set = await openLabelledSet(folder);
  const labels = set.splits.get(split);
  if (labels === undefined) throw new DataError("not-found", folder, `has no split ${split}; it has ${[...set.splits.keys()].join(", ")}`);
  const total = Math.min(limit, labels.size);
  const keys: string[] = [];
  const scores: Float32Array[] = [];
  const failed: { photo: string; message: string }[] = [];
  const queue: string[] = [];
  async function* photos(): AsyncGenerator<Uint8Array> {
    let count = 0;
    for (const shard of set.shards.get(split) ?? []) {
      for await (const { key, bytes } of readShard(shard, signal)) {
        if (labels!.get(key)?.labels == null) continue;
        if (count++ >= limit) return;
        queue.push(key);
        yield bytes;
      }
    }
  }
  for await (const outcome of tagger.tagStream(photos(), { scores: true, batch: 16, ...(signal && { signal }) })) {
    const key = queue.shift()!;
    if ("error" in outcome) failed.push({ photo: key, message: outcome.error.message });
    else {
      keys.push(key);
      scores.push(outcome.result.scores!);
    }
    onProgress?.(keys.length + failed.length, total);
  }
  if (keys.length === 0) throw new DataError("no-photos", folder, `has no photos with labels in split ${split}`);
  const index = indexTags(tagger.tags);
  const targets = createTargets(set.classes, index);
  const rows = keys.map((key) => targets.row(labels.get(key)!.labels!));
  return { set: set.name, split, photos: keys.length, failed, ...reportOf(tagger, targets, rows, scores), ...firstTags(tagger, set, split, keys, scores, options.hypernyms) };
}

type Figures = Omit<SetReport, "set" | "split" | "photos" | "failed" | "firstTags">;

function reportOf(tagger: Tagger, targets: TagTargets, rows: readonly Int8Array[], scores: readonly Float32Array[]): Figures {
  const [all, reports] = [{ hit: 0, found: 0, there: 0 }, new Map<number, TagReport>()];
  for (const id of targets.covered) {
    const known = rows.flatMap((row, i) => (row[id] === unknown ? [] : [i]));
    const truth = known.map((i) => rows[i]![id] === present);
    const values = Float32Array.from(known, (i) => scores[i]![id]!);
    const { threshold, en } = tagger.tags[id]!;
    const fires = Array.from(values, (score) => threshold !== null && score > Math.fround(threshold));
    const hit = fires.filter((fired, i) => fired && truth[i]).length;
    const [found, there] = [fires.filter(Boolean).length, truth.filter(Boolean).length];
    all.hit += hit;
    all.found += found;
    all.there += there;
    reports.set(id, { en, positives: there, ap: averagePrecision(values, truth), ...ratios(hit, found, there) });
  }
  const mean = (list: readonly number[]): number => (list.length === 0 ? 0 : list.reduce((a, b) => a + b, 0) / list.length);
  const classReports = targets.classTags.map((tag) => (tag === null ? null : reports.get(tag.id)!));
  const often = classReports.filter((report) => report !== null && report.positives >= 10);
  const implied = targets.implied.map((id) => reports.get(id)!).filter((report) => report.positives > 0);
  return {
    classMap: mean(classReports.map((report) => report?.ap ?? 0)),
    classes: classReports.length,
    classMapOfTen: mean(often.map((report) => report!.ap)),
    classesOfTen: often.length,
    hypernymMap: mean(implied.map((report) => report.ap)),
    hypernyms: implied.length,
    ...ratios(all.hit, all.found, all.there),
    untagged: targets.untagged,
    tags: [...reports.values()],
  };
}

function ratios(hit: number, found: number, there: number): { precision: number; recall: number; f1: number } {
  return { precision: hit / (found + 1e-9), recall: hit / (there + 1e-9), f1: (2 * hit) / (found + there + 1e-9) };
}

function firstTags(tagger: Tagger, set: LabelledSet, split: string, keys: readonly string[], scores: readonly Float32Array[], hypernyms?: Hypernyms): Pick<SetReport, "firstTags"> {
  const labels = set.splits.get(split)!;
  if (hypernyms === undefined || set.classes.some(({ wnid }) => wnid === undefined) || keys.some((key) => labels.get(key)!.labels!.length !== 1)) return {};
  const index = indexTags(tagger.tags);
  const classTags = [...new Set(set.classes.flatMap(({ wnid }) => index.byWnid(wnid!)?.id ?? []))];
  let [top1, top5, inThree] = [0, 0, 0];
  keys.forEach((key, i) => {
    const row = scores[i]!;
    const wnid = set.classes[labels.get(key)!.labels![0]!]!.wnid!;
    const own = index.byWnid(wnid);
    if (own !== undefined) {
      const better = classTags.filter((id) => row[id]! > row[own.id]!).length;
      top1 += Number(better < 1);
      top5 += Number(better < 5);
    }
    const right = ancestors(wnid, hypernyms).add(wnid);
    const first = Array.from(row.keys()).sort((a, b) => row[b]! - row[a]!).slice(0, 3);
    inThree += Number(first.some((id) => wnidsOf(tagger.tags[id]!).some((each) => right.has(each))));
  });
  return { firstTags: { top1: top1 / keys.length, top5: top5 / keys.length, classOrAncestorInThree: inThree / keys.length } };
}
