import type { ChosenTag, TagChoiceOptions } from "../tagger/tag-choice.js";
import type { Tagger } from "../tagger/tagger.js";
import { basename, join, resolve } from "node:path";
import { EvalError } from "./eval-error.js";
import { evaluateScores, type MeanFigures, type ScoreFigures } from "./evaluate-scores.js";
import type { PhotoSource } from "./photo-source.js";
import { scorePhotos, type UnscoredPhoto, type ScoredPhotos } from "./score-photos.js";
import { groupTags, type Grouping } from "./tag-groups.js";
import type { ScoredColumn, TagFigures } from "./tag-figures.js";
import { writeReport } from "./write-report.js";

export interface EvaluateOptions {
  /** At most so many photos, the first ones. @default all */
  readonly limit?: number;
  /** Tags of banks, or some of the model's own. @default all of the model's own */
  readonly choice?: TagChoiceOptions;
  /** "official": each tag's own threshold. A number: the same for every tag. @default "official" */
  readonly threshold?: "official" | number;
  /** Tags to be taken together. @default none */
  readonly groups?: Grouping;
  /**
   * Folder for the report (`report.html`, `report.json`, and `summary.txt`, `ap.txt`, `pr.txt`, `pred.txt` as the reference's) and
   * for the scores, with which another call goes on. @default none
   */
  readonly out?: string;
  /** Score all photos again, whatever the folder holds. @default false */
  readonly force?: boolean;
  /** Turn photos upright by their EXIF orientation. @default true; false for benchmarks, as in the reference */
  readonly orient?: boolean;
  /** Photos that go through the network together. @default the tagger's */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  /** `kept` of the photos that are done had their scores already. */
  readonly onProgress?: (done: number, total: number, kept: number) => void;
}

/** How a model did on labelled photos. The figures are those of the tags that the labels name and the model has. */
export interface Evaluation extends ScoreFigures {
  /** Name of the set, benchmark or folder. */
  readonly name: string;
  /** Name of the model's folder, and the precision of its graphs. */
  readonly model: string;
  readonly dtype: string;
  /** Photos that were scored. */
  readonly photos: number;
  /** Labelled photos that are not there. */
  readonly missing: readonly string[];
  /** Photos that could not be read. */
  readonly failed: readonly UnscoredPhoto[];
  /** Tags that the labels name. */
  readonly listed: number;
  /** Those of them that the model has not: they have no part in any figure. */
  readonly lacking: readonly string[];
  /** Tags that no label names and that some of them imply, such as "animal" for "dog". */
  readonly implied: { readonly overall: MeanFigures; readonly tags: readonly TagFigures[] };
}

/** A tag that is measured: a column of the list. */
export interface MeasuredTag {
  /** As the list has it. */
  readonly name: string;
  readonly tag: ChosenTag;
}

/** Labelled photos as tags of a vocabulary. */
export interface Subject {
  readonly name: string;
  readonly source: PhotoSource;
  readonly missing: readonly string[];
  readonly listed: number;
  readonly lacking: readonly string[];
  /** Tags that labels name. */
  readonly own: readonly MeasuredTag[];
  /** Tags that they imply. */
  readonly implied: readonly MeasuredTag[];
  /** Places of the tags that a photo shows among `own`, then `implied`. */
  readonly shows: (photo: string) => readonly number[];
}

/** What was measured, with the scores. */
export interface Measured {
  readonly evaluation: Evaluation;
  readonly scored: ScoredPhotos;
  /** Columns of the own tags, then of those implied. */
  readonly columns: readonly ScoredColumn[];
}

/** Where the scores lie in the folder of a report. */
const journalFile = "scores.jsonl";

/** Scores the photos of a subject, and writes the report where one is wanted. Throws an EvalError, what the tagger throws, and the signal's reason when aborted. */
export async function measure(tagger: Tagger, subject: Subject, chosen: readonly ChosenTag[], options: EvaluateOptions): Promise<Measured> {
  const { out, groups: grouping, threshold = "official", ...scoring } = options;
  if (threshold !== "official" && !(threshold >= 0 && threshold <= 1)) throw new EvalError("bad-option", `threshold ${threshold}: expected "official" or a number from 0 to 1`);
  const all = [...subject.own, ...subject.implied];
  if (subject.source.names.length === 0) throw new EvalError("nothing-to-measure", `${subject.name}: none of its ${subject.missing.length} labelled photos is there`);
  if (subject.own.length === 0) throw new EvalError("nothing-to-measure", `${subject.name}: none of its ${subject.listed} tags is among the ${chosen.length} that the model is asked for: ${subject.lacking.slice(0, 5).map((tag) => JSON.stringify(tag)).join(", ")}${subject.lacking.length > 5 ? ", ..." : ""}`);
  const groups = grouping === undefined ? [] : groupTags(grouping, subject.own, chosen);
  const ids = [...new Set(all.map(({ tag }) => tag.id))];
  const scored = await scorePhotos(tagger, subject.source, chosen, ids, { ...scoring, ...(out !== undefined && { journal: join(out, journalFile) }) });
  if (scored.photos.length === 0) throw new EvalError("nothing-to-measure", `${subject.name}: no photo could be read; the first: ${scored.failed[0]?.message ?? "none is there"}`);

  const shownBy = all.map((): number[] => []);
  scored.photos.forEach((photo, i) => {
    for (const place of subject.shows(photo)) shownBy[place]!.push(i);
  });
  const columnOf = new Map(ids.map((id, i) => [id, scored.columns[i]!]));
  const columns = all.map(({ name, tag }, place): ScoredColumn => ({ name, threshold: threshold === "official" ? tag.threshold : threshold, scores: columnOf.get(tag.id)!, shownBy: shownBy[place]! }));
  const implied = evaluateScores(columns.slice(subject.own.length));
  const evaluation: Evaluation = {
    name: subject.name,
    model: basename(resolve(tagger.folder)),
    dtype: tagger.dtype,
    photos: scored.photos.length,
    missing: [...subject.missing, ...scored.missing],
    failed: scored.failed,
    listed: subject.listed,
    lacking: subject.lacking,
    ...evaluateScores(columns.slice(0, subject.own.length), groups),
    implied: { overall: implied.overall, tags: implied.tags },
  };
  const measured = { evaluation, scored, columns };
  if (out !== undefined) await writeReport(out, measured, subject, { orient: options.orient ?? true, ...(options.signal && { signal: options.signal }) });
  return measured;
}
