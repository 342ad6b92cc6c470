import type { Calibration } from "../bundle/calibration.js";
import { readModelFolder } from "../bundle/model-folder.js";
import { graphsId } from "../bundle/model-id.js";
import { readReviewedTags } from "../data/reviewed-tags.js";
import type { ChosenTag, TagChoiceOptions } from "../tagger/tag-choice.js";
import type { Tagger } from "../tagger/tagger.js";
import { calibrate, type CalibrateOptions, type CalibrationReport, type CalibrationTag } from "./calibrate.js";
import { EvalError } from "./eval-error.js";
import { folderSubject } from "./evaluate-folder.js";
import { setSubject } from "./evaluate-set.js";
import { measure, type EvaluateOptions, type Subject } from "./evaluate.js";
import { truthOf } from "./tag-figures.js";
import { targetText } from "./threshold-target.js";
import type { UnscoredPhoto } from "./score-photos.js";

/** Where labelled photos, or predictions that a person looked through, come from. */
export type CalibrationSource =
  | { readonly kind: "folder"; readonly folder: string; readonly labels: string }
  | { readonly kind: "set"; readonly folder: string; readonly split: string }
  | { readonly kind: "reviewed"; readonly file: string };

export interface CalibrateModelOptions extends CalibrateOptions, Pick<EvaluateOptions, "limit" | "orient" | "batch" | "signal" | "onProgress"> {
  /** Tags of banks too, or some of the model's own. @default all of the model's own */
  readonly choice?: TagChoiceOptions;
}

export interface CalibratedModel {
  readonly calibration: Calibration;
  readonly report: CalibrationReport;
  /** Labels that no tag stands for. */
  readonly lacking: readonly string[];
  readonly missing: readonly string[];
  readonly failed: readonly UnscoredPhoto[];
}

/** What one source says of tags. */
interface Gathered {
  readonly tags: readonly CalibrationTag[];
  readonly photos: number;
  readonly lacking: readonly string[];
  readonly missing: readonly string[];
  readonly failed: readonly UnscoredPhoto[];
}

/**
 * Fits thresholds to a model's scores of labelled photos, of one source or of several: a source says nothing of tags that it does
 * not cover. "Before" is what the tagger uses, so load it without a calibration to begin with the model's own. Throws a
 * DataError for a source that cannot be read, an EvalError where there is nothing to calibrate or for bad options.
 */
export async function calibrateModel(tagger: Tagger, sources: readonly CalibrationSource[], options: CalibrateModelOptions = {}): Promise<CalibratedModel> {
  const { choice, signal } = options;
  const chosen = await tagger.chosenTags({ ...choice, ...(signal && { signal }) });
  const gathered: Gathered[] = [];
  for (const source of sources) gathered.push(source.kind === "reviewed" ? await fromReviewed(source.file, chosen) : await fromPhotos(tagger, source, chosen, options));
  const tags = joined(gathered.flatMap((each) => each.tags));
  if (tags.length === 0) throw new EvalError("nothing-to-measure", "there are no labelled photos to calibrate on");
  const { tags: fitted, report } = calibrate(tags, options);
  const model = await graphsId(await readModelFolder(tagger.folder), signal);
  const all = <K extends "lacking" | "missing" | "failed">(key: K): Gathered[K][number][] => [...new Set(gathered.flatMap((each): Gathered[K][number][] => [...each[key]]))];
  return {
    calibration: { model, target: targetText(options.target ?? { kind: "f1" }), photos: gathered.reduce((sum, each) => sum + each.photos, 0), tags: fitted },
    report,
    lacking: all("lacking"),
    missing: all("missing"),
    failed: all("failed"),
  };
}

async function fromPhotos(tagger: Tagger, source: Exclude<CalibrationSource, { kind: "reviewed" }>, chosen: readonly ChosenTag[], { choice, limit, orient, batch, signal, onProgress }: CalibrateModelOptions): Promise<Gathered> {
  const subject: Subject = source.kind === "folder" ? await folderSubject(source.folder, source.labels, chosen, signal) : (await setSubject(source.folder, source.split, chosen)).subject;
  const { scored, columns, evaluation } = await measure(tagger, subject, chosen, Object.fromEntries(Object.entries({ choice, limit, orient, batch, signal, onProgress }).filter(([, value]) => value !== undefined)));
  // A photo of another source may have the same name.
  const photos = scored.photos.map((photo) => `${subject.name}/${photo}`);
  const tags = [...subject.own, ...subject.implied].map(({ tag }, i): CalibrationTag => ({ en: tag.en, ...(tag.bank !== undefined && { bank: tag.bank }), threshold: tag.threshold, photos, scores: columns[i]!.scores, truth: truthOf(columns[i]!) }));
  return { tags, photos: photos.length, lacking: evaluation.lacking, missing: evaluation.missing, failed: evaluation.failed };
}

async function fromReviewed(file: string, chosen: readonly ChosenTag[]): Promise<Gathered> {
  const known = new Map(chosen.map((tag) => [JSON.stringify([tag.bank, tag.en]), tag]));
  const byTag = new Map<ChosenTag, { photo: string; score: number; right: boolean }[]>();
  const [photos, lacking] = [new Set<string>(), new Set<string>()];
  for (const { photo, en, bank, score, right } of await readReviewedTags(file)) {
    const tag = known.get(JSON.stringify([bank, en]));
    if (tag === undefined) {
      lacking.add(en);
      continue;
    }
    photos.add(photo);
    const list = byTag.get(tag);
    if (list === undefined) byTag.set(tag, [{ photo, score, right }]);
    else list.push({ photo, score, right });
  }
  const tags = [...byTag].map(([{ en, bank, threshold }, list]): CalibrationTag => ({ en, ...(bank !== undefined && { bank }), threshold, photos: list.map(({ photo }) => photo), scores: Float32Array.from(list, ({ score }) => score), truth: Uint8Array.from(list, ({ right }) => Number(right)) }));
  return { tags, photos: photos.size, lacking: [...lacking], missing: [], failed: [] };
}

/** The same tag out of several sources is one. */
function joined(tags: readonly CalibrationTag[]): CalibrationTag[] {
  const byName = new Map<string, CalibrationTag>();
  for (const tag of tags) {
    const key = JSON.stringify([tag.bank, tag.en]);
    const before = byName.get(key);
    byName.set(key, before === undefined ? tag : { ...before, photos: [...before.photos, ...tag.photos], scores: Float32Array.from([...before.scores, ...tag.scores]), truth: Uint8Array.from([...before.truth, ...tag.truth]) });
  }
  return [...byName.values()];
}
