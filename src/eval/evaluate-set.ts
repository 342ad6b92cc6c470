import { DataError } from "../data/data-error.js";
import { openLabelledSet, type LabelledSet } from "../data/labelled-set.js";
import { createTargets, present, type TagTargets } from "../data/tag-targets.js";
import type { ChosenTag } from "../tagger/tag-choice.js";
import type { Tagger } from "../tagger/tagger.js";
import { indexTags, wnidsOf } from "../vocab/tag-index.js";
import { ancestors, type Hypernyms } from "../vocab/wordnet.js";
import { mean } from "./evaluate-scores.js";
import { measure, type EvaluateOptions, type Evaluation, type MeasuredTag, type Measured, type Subject } from "./evaluate.js";
import { setSource } from "./photo-source.js";
import { ratios } from "./precision-recall.js";
import type { UnscoredPhoto } from "./score-photos.js";

export interface EvaluateSetOptions extends EvaluateOptions {
  /** Split of the set. @default "val" */
  readonly split?: string;
  /** WordNet's hypernyms, for the share of photos whose class or an ancestor of it comes first. */
  readonly hypernyms?: Hypernyms;
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
  readonly failed: readonly UnscoredPhoto[];
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
  /** What is said of any labelled photos; a class without a tag has no part in it. */
  readonly evaluation: Evaluation;
}

/** What a split of a labelled set says of a choice of tags. */
interface SetSubject {
  readonly set: LabelledSet;
  readonly targets: TagTargets;
  readonly all: readonly MeasuredTag[];
  readonly subject: Subject;
}

/** The labelled photos of a split of a set as tags of a choice. Throws a DataError for a set that cannot be read. */
export async function setSubject(folder: string, split: string, chosen: readonly ChosenTag[]): Promise<SetSubject> {
  const set = await openLabelledSet(folder);
  const labels = set.splits.get(split);
  if (labels === undefined) throw new DataError("not-found", folder, `has no split ${split}; it has ${[...set.splits.keys()].join(", ")}`);
  const source = setSource(set, split);
  if (source.names.length === 0) throw new DataError("no-photos", folder, `has no photos with labels in split ${split}`);
  const targets = createTargets(set.classes, indexTags(chosen));
  const implied = new Set(targets.implied);
  const tagsOf = (ids: readonly number[]): MeasuredTag[] => ids.map((id) => ({ name: chosen[id]!.en, tag: chosen[id]! }));
  const [own, others] = [tagsOf(targets.covered.filter((id) => !implied.has(id))), tagsOf(targets.implied)];
  const all = [...own, ...others];
  const shows = (photo: string): number[] => {
    const row = targets.row(labels.get(photo)!.labels!);
    return all.flatMap(({ tag }, place) => (row[tag.id] === present ? [place] : []));
  };
  const subject = { name: `${set.name} ${split}`, source, missing: [], listed: set.classes.length, lacking: targets.untagged, own, implied: others, shows };
  return { set, targets, all, subject };
}

/** Tags a split of a labelled set and compares with its labels. Throws a DataError for a set that cannot be read, an EvalError for one that cannot be measured. */
export async function evaluateSet(tagger: Tagger, folder: string, options: EvaluateSetOptions = {}): Promise<SetReport> {
  const { split = "val", hypernyms, ...rest } = options;
  const chosen = await tagger.chosenTags({ ...rest.choice, ...(rest.signal && { signal: rest.signal }) });
  const { set, targets, all, subject } = await setSubject(folder, split, chosen);
  const measured = await measure(tagger, subject, chosen, rest);
  return { set: set.name, split, photos: measured.evaluation.photos, failed: measured.evaluation.failed, ...reportOf(measured.evaluation, targets, all), ...firstTags(chosen, set, split, measured, all, hypernyms), evaluation: measured.evaluation };
}

type Figures = Omit<SetReport, "set" | "split" | "photos" | "failed" | "firstTags" | "evaluation">;

function reportOf(evaluation: Evaluation, targets: TagTargets, all: readonly MeasuredTag[]): Figures {
  const figures = [...evaluation.tags, ...evaluation.implied.tags];
  const reports = new Map(all.map(({ tag }, place): [number, TagReport] => {
    const { positives, ap, precision, recall, f1 } = figures[place]!;
    return [tag.id, { en: tag.en, positives, ap, precision, recall, f1 }];
  }));
  const classReports = targets.classTags.map((tag) => (tag === null ? null : reports.get(tag.id)!));
  const often = classReports.filter((report) => report !== null && report.positives >= 10);
  const implied = targets.implied.map((id) => reports.get(id)!).filter((report) => report.positives > 0);
  const total = (key: "right" | "given" | "positives"): number => evaluation.overall[key] + evaluation.implied.overall[key];
  return {
    classMap: mean(classReports.map((report) => report?.ap ?? 0)),
    classes: classReports.length,
    classMapOfTen: mean(often.map((report) => report!.ap)),
    classesOfTen: often.length,
    hypernymMap: mean(implied.map((report) => report.ap)),
    hypernyms: implied.length,
    ...ratios({ hit: total("right"), found: total("given"), there: total("positives") }),
    untagged: targets.untagged,
    tags: targets.covered.map((id) => reports.get(id)!),
  };
}

function firstTags(chosen: readonly ChosenTag[], set: LabelledSet, split: string, { scored, columns }: Measured, all: readonly MeasuredTag[], hypernyms?: Hypernyms): Pick<SetReport, "firstTags"> {
  const labels = set.splits.get(split)!;
  const { photos, first } = scored;
  if (hypernyms === undefined || set.classes.some(({ wnid }) => wnid === undefined) || photos.some((photo) => labels.get(photo)!.labels!.length !== 1)) return {};
  const index = indexTags(chosen);
  const columnOf = new Map(all.map(({ tag }, place) => [tag.id, columns[place]!.scores]));
  const classTags = [...new Set(set.classes.flatMap(({ wnid }) => index.byWnid(wnid!)?.id ?? []))].map((id) => columnOf.get(id)!);
  let [top1, top5, inThree] = [0, 0, 0];
  photos.forEach((photo, i) => {
    const wnid = set.classes[labels.get(photo)!.labels![0]!]!.wnid!;
    const own = index.byWnid(wnid);
    if (own !== undefined) {
      const score = columnOf.get(own.id)![i]!;
      const better = classTags.filter((column) => column[i]! > score).length;
      top1 += Number(better < 1);
      top5 += Number(better < 5);
    }
    const right = ancestors(wnid, hypernyms).add(wnid);
    inThree += Number(first[i]!.some((id) => wnidsOf(chosen[id]!).some((each) => right.has(each))));
  });
  return { firstTags: { top1: top1 / photos.length, top5: top5 / photos.length, classOrAncestorInThree: inThree / photos.length } };
}
