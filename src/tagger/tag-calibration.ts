import { existsSync } from "node:fs";
import { BundleError } from "../bundle/bundle-error.js";
import { calibrationFile, calibrationIndex, readCalibration, thresholdForPrecision, type Calibration } from "../bundle/calibration.js";
import { graphsId } from "../bundle/model-id.js";
import type { ModelFolder } from "../bundle/model-folder.js";
import type { ChosenTag, TagChoice } from "./tag-choice.js";

/** The calibration of a file, else the one beside the model; null: none is wanted, or none is there. Throws a BundleError for one that cannot be used. */
export async function loadCalibration(model: ModelFolder, file: string | null | undefined, signal?: AbortSignal): Promise<Calibration | null> {
  const beside = calibrationFile(model.folder);
  const wanted = file === undefined ? (existsSync(beside) ? beside : null) : file;
  return wanted === null ? null : readCalibration(wanted, await graphsId(model, signal));
}

/** The model folder with its tags' fitted thresholds. */
export function withCalibration(model: ModelFolder, calibration: Calibration | null): ModelFolder {
  if (calibration === null) return model;
  const of = calibrationIndex(calibration);
  return { ...model, tags: model.tags.map((tag) => ({ ...tag, threshold: of({ en: tag.en })?.threshold ?? tag.threshold })) };
}

/** The choice with the fitted thresholds of tags that come from banks; the model's own have theirs. */
export function calibratedChoice(choice: TagChoice, calibration: Calibration | null): TagChoice {
  if (calibration === null || choice.sources.every(({ kind }) => kind === "built-in")) return choice;
  const of = calibrationIndex(calibration);
  return mapped(choice, (tag) => (tag.bank === undefined ? tag.threshold : (of(tag)?.threshold ?? tag.threshold)));
}

/** The choice with the lowest thresholds at which tags had a precision. Throws a BundleError (no-calibration) where there is none. */
export function choiceForPrecision(choice: TagChoice, calibration: Calibration | null, precision: number, folder: string): TagChoice {
  if (calibration === null) throw new BundleError("no-calibration", folder, "has no calibration, so what precision a threshold has is not known: `ramplus calibrate` makes one");
  const of = calibrationIndex(calibration);
  return mapped(choice, (tag) => {
    const known = of(tag);
    const threshold = known && thresholdForPrecision(known, precision);
    return threshold === undefined ? tag.threshold : threshold;
  });
}

function mapped(choice: TagChoice, thresholdOf: (tag: ChosenTag) => number | null): TagChoice {
  const change = (tag: ChosenTag): ChosenTag => (tag.placed === undefined ? { ...tag, threshold: thresholdOf(tag) } : tag);
  return { ...choice, tags: choice.tags.map(change), columnTags: choice.columnTags.map(change) };
}
