import { readFile } from "node:fs/promises";
import { parseJson, showJson } from "../json.js";
import { DataError } from "./data-error.js";

/** A photo with what people wrote of it. */
export interface CaptionedPhoto {
  readonly image: string;
  readonly captions: readonly string[];
  /** Names of tags that the data set gives it; empty where it gives none. */
  readonly labels: readonly string[];
}

const partsOfFile = 20_000_000;
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((each) => typeof each === "string");

/**
 * Reads captions of photos from JSON, in any of these forms:
 * - `{"photo.jpg": ["a caption", ...]}`, or a text for one caption;
 * - `[{"image": "photo.jpg", "caption": "..." or ["...", ...], "labels": ["dog"]}]`, also with `image_path`, `file` or `file_name` for
 *   the photo and `captions` for the captions; `labels` may be left out;
 * - COCO's `{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}`;
 * - `labels.json` of a labelled set, of which `split` is read (default: the first).
 * Throws a DataError: not-found, bad-captions naming the entry.
 */
export async function readCaptionedPhotos(file: string, split?: string): Promise<CaptionedPhoto[]> {
  const bad = (problem: string, options?: ErrorOptions): DataError => new DataError("bad-captions", file, problem, options);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new DataError("not-found", file, "cannot be read", { cause });
  }
  let json: unknown;
  try {
    json = parseJson(text, partsOfFile);
  } catch (cause) {
    throw bad(`is not JSON: ${(cause as Error).message}`, { cause });
  }
  const photos = Array.isArray(json) ? fromList(json, bad) : isObject(json) ? (isObject(json["splits"]) ? fromSet(json, split, bad) : Array.isArray(json["images"]) && Array.isArray(json["annotations"]) ? fromCoco(json["images"], json["annotations"], bad) : fromObject(json, bad)) : null;
  if (photos === null) throw bad("expected an object or a list of photos with captions");
  if (photos.length === 0) throw bad("names no photo");
  return photos;
}

type Bad = (problem: string) => DataError;

const captionsOf = (value: unknown): string[] | null => (typeof value === "string" ? [value] : isTexts(value) ? value : null);

function fromObject(json: Readonly<Record<string, unknown>>, bad: Bad): CaptionedPhoto[] {
  return Object.entries(json).map(([image, value]) => {
    const captions = captionsOf(value);
    if (captions === null) throw bad(`${JSON.stringify(image.slice(0, 80))}: expected a caption or a list of them, received ${showJson(value)}`);
    return { image, captions, labels: [] };
  });
}

function fromList(json: readonly unknown[], bad: Bad): CaptionedPhoto[] {
  return json.map((entry, i) => {
    const fields = isObject(entry) ? entry : {};
    const image = fields["image"] ?? fields["image_path"] ?? fields["file"] ?? fields["file_name"];
    const captions = captionsOf(fields["caption"] ?? fields["captions"]);
    const labels = fields["labels"] ?? [];
    if (typeof image !== "string" || image === "" || captions === null || !isTexts(labels)) throw bad(`entry ${i + 1}: expected an object with image, caption and perhaps labels; received ${showJson(entry)}`);
    return { image, captions, labels };
  });
}

function fromCoco(images: readonly unknown[], annotations: readonly unknown[], bad: Bad): CaptionedPhoto[] {
  const captions = new Map<unknown, string[]>();
  const names = new Map<unknown, string>();
  images.forEach((entry, i) => {
    const { id, file_name } = isObject(entry) ? entry : {};
    if (typeof file_name !== "string" || id === undefined) throw bad(`images, entry ${i + 1}: expected id and file_name; received ${showJson(entry)}`);
    names.set(id, file_name);
    captions.set(id, []);
  });
  annotations.forEach((entry, i) => {
    const { image_id, caption } = isObject(entry) ? entry : {};
    const own = captions.get(image_id);
    if (typeof caption !== "string" || own === undefined) throw bad(`annotations, entry ${i + 1}: expected the image_id of an image, and a caption; received ${showJson(entry)}`);
    own.push(caption);
  });
  return [...names].map(([id, image]) => ({ image, captions: captions.get(id)!, labels: [] }));
}

function fromSet(json: Readonly<Record<string, unknown>>, wanted: string | undefined, bad: Bad): CaptionedPhoto[] {
  const splits = json["splits"] as Readonly<Record<string, unknown>>;
  const name = wanted ?? Object.keys(splits)[0];
  const split = name === undefined ? undefined : splits[name];
  if (!isObject(split)) throw bad(`has no split ${showJson(name)}; it has ${Object.keys(splits).join(", ")}`);
  const classes = Array.isArray(json["classes"]) ? (json["classes"] as unknown[]).map((each) => (isObject(each) && typeof each["name"] === "string" ? each["name"] : null)) : [];
  return Object.entries(split).flatMap(([image, entry]) => {
    const { captions, labels = [] } = isObject(entry) ? entry : {};
    if (captions === undefined) return [];
    const names = Array.isArray(labels) ? labels.map((label: unknown) => (typeof label === "number" ? classes[label] : undefined)) : [undefined];
    if (!isTexts(captions) || names.some((each) => typeof each !== "string")) throw bad(`split ${name}, ${image}: expected captions and class indices; received ${showJson(entry)}`);
    return [{ image, captions, labels: names as string[] }];
  });
}
