import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseJson, showJson } from "../json.js";
import { writeWhole } from "../write-whole.js";
import { BundleError } from "./bundle-error.js";

/** What a threshold does on the photos of a calibration. */
export interface ThresholdPoint {
  readonly threshold: number;
  readonly precision: number;
  readonly recall: number;
}

/** A score and the probability that a tag of this score is right. */
export interface ProbabilityKnot {
  readonly score: number;
  readonly probability: number;
}

/** What a calibration knows of a tag. */
export interface TagCalibration {
  readonly en: string;
  /** The bank that it comes from; none: the model's own. */
  readonly bank?: string;
  /** Photos that show it, and that do not. */
  readonly positives: number;
  readonly negatives: number;
  /** The fitted threshold; none: the tag keeps its own. */
  readonly threshold?: number;
  /** By falling threshold, rising recall and falling precision: what can be had. Empty where examples are too few. */
  readonly points: readonly ThresholdPoint[];
  /** By rising score and rising probability; none: not fitted. */
  readonly probabilities?: readonly ProbabilityKnot[];
}

/** Thresholds, and what they do, that were fitted to labelled photos; `calibration.json` beside a model. */
export interface Calibration {
  /** What the scores depend on (`graphsId`): of another model's scores it says nothing. */
  readonly model: string;
  /** What the thresholds were fitted for, in words: "f1", "precision=0.8", "recall=0.9". */
  readonly target: string;
  readonly photos: number;
  readonly tags: readonly TagCalibration[];
}

const formatVersion = 1;
const largestFile = 64 * 2 ** 20;
const mostPoints = 1000;

/** Where a model folder keeps its calibration. */
export const calibrationFile = (folder: string): string => join(folder, "calibration.json");

/** Writes a calibration, beside and renamed. Throws a BundleError (unwritable). */
export async function writeCalibration(file: string, { model, target, photos, tags }: Calibration): Promise<void> {
  const head = JSON.stringify({ format: "ramplus-calibration", format_version: formatVersion, model, target, photos }).slice(0, -1);
  try {
    await writeWhole(file, `${head},"tags":[\n${tags.map((tag) => `  ${JSON.stringify(tag)}`).join(",\n")}\n]}\n`);
  } catch (cause) {
    throw new BundleError("unwritable", file, `cannot be written: ${(cause as Error).message}; name another place (--out FILE)`, { cause });
  }
}

/** Reads a calibration for a model of this `graphsId`. Throws a BundleError: missing-file, bad-calibration, wrong-calibration for that of another model. */
export async function readCalibration(file: string, model: string): Promise<Calibration> {
  const bad = (problem: string, options?: ErrorOptions): BundleError => new BundleError("bad-calibration", file, problem, options);
  if (!existsSync(file)) throw new BundleError("missing-file", file, "no such calibration; `ramplus calibrate` makes one");
  const info = await stat(file);
  if (!info.isFile() || info.size > largestFile) throw bad(info.isFile() ? `is larger than ${largestFile} bytes` : "is no regular file");
  let json: unknown;
  try {
    json = parseJson(await readFile(file, "utf8"));
  } catch (cause) {
    throw bad(`is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (!isObject(json) || json["format"] !== "ramplus-calibration") throw bad("is no calibration; `ramplus calibrate` makes one");
  const { format_version, model: of, target, photos, tags } = json;
  if (format_version !== formatVersion) throw bad(`format_version ${showJson(format_version)}: this release reads ${formatVersion}; calibrate again`);
  if (typeof of !== "string" || typeof target !== "string" || typeof photos !== "number" || !Array.isArray(tags)) throw bad("expected model, target, photos and a list of tags");
  if (of !== model) throw new BundleError("wrong-calibration", file, `was made for another model (${of.slice(0, 12)}, not ${model.slice(0, 12)}), whose scores are not this one's: calibrate again`);
  return { model, target: target.slice(0, 100), photos, tags: tags.map((tag: unknown, i) => parseTag(tag, (problem) => bad(`tag ${i}: ${problem}`))) };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);
const isShare = (value: unknown): value is number => typeof value === "number" && value >= 0 && value <= 1;
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function parseTag(tag: unknown, bad: (problem: string) => BundleError): TagCalibration {
  if (!isObject(tag)) throw bad(`expected an object, received ${showJson(tag)}`);
  const { en, bank, positives, negatives, threshold, points, probabilities } = tag;
  if (typeof en !== "string" || (bank !== undefined && typeof bank !== "string")) throw bad("en, bank: expected names");
  if (!isCount(positives) || !isCount(negatives)) throw bad("positives, negatives: expected counts of photos");
  if (threshold !== undefined && !isShare(threshold)) throw bad(`threshold ${showJson(threshold)}: expected a number from 0 to 1`);
  const list = <K extends string>(value: unknown, name: string, keys: readonly K[]): Record<K, number>[] => {
    if (!Array.isArray(value) || value.length > mostPoints || !value.every((each) => isObject(each) && keys.every((key) => isShare(each[key])))) throw bad(`${name}: expected at most ${mostPoints} objects with ${keys.join(", ")} from 0 to 1`);
    return value as Record<K, number>[];
  };
  return {
    en,
    positives,
    negatives,
    points: list(points, "points", ["threshold", "precision", "recall"]),
    ...(bank !== undefined && { bank }),
    ...(threshold !== undefined && { threshold }),
    ...(probabilities !== undefined && { probabilities: list(probabilities, "probabilities", ["score", "probability"]) }),
  };
}

/** Looks tags up in a calibration. */
export function calibrationIndex({ tags }: Calibration): (tag: { readonly en: string; readonly bank?: string }) => TagCalibration | undefined {
  const key = (en: string, bank: string | undefined): string => JSON.stringify([bank, en]);
  const known = new Map(tags.map((tag) => [key(tag.en, tag.bank), tag]));
  return ({ en, bank }) => known.get(key(en, bank));
}

/** The lowest threshold at which a tag has a precision on the calibration's photos; null: none has it; undefined: nothing is known. */
export function thresholdForPrecision({ points }: TagCalibration, precision: number): number | null | undefined {
  if (points.length === 0) return undefined;
  return points.findLast((point) => point.precision >= precision)?.threshold ?? null;
}

/** The probability that a tag of this score is right, on a line between the knots; null: not fitted. */
export function probabilityOfScore({ probabilities }: TagCalibration, score: number): number | null {
  if (probabilities === undefined || probabilities.length === 0) return null;
  const after = probabilities.findIndex((knot) => knot.score >= score);
  if (after === 0) return probabilities[0]!.probability;
  if (after < 0) return probabilities.at(-1)!.probability;
  const [a, b] = [probabilities[after - 1]!, probabilities[after]!];
  return a.probability + ((b.probability - a.probability) * (score - a.score)) / (b.score - a.score);
}
