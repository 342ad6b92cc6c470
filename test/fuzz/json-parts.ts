import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { readCalibration } from "../../src/bundle/calibration.js";
import { parseModelConfig, parsePreprocessorConfig, serialiseModelConfig, serialisePreprocessorConfig } from "../../src/bundle/model-config.js";
import { readModelFolder } from "../../src/bundle/model-folder.js";
import { readLabelFile } from "../../src/data/label-file.js";
import { openLabelledSet } from "../../src/data/labelled-set.js";
import { readReferenceList } from "../../src/data/reference-list.js";
import { readGroups } from "../../src/eval/tag-groups.js";
import { parseTrainConfig } from "../../src/train/train-config.js";
import { indexTags } from "../../src/vocab/tag-index.js";
import { loadHypernyms } from "../../src/vocab/wordnet.js";
import { writeTinyModel } from "../tiny-model-folder.js";
import { jsonBombs, strangeJson } from "./json-inputs.js";
import type { FuzzPart, NamedInput } from "./part.js";

const text = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

const config = JSON.parse(serialiseModelConfig({ modelType: "ram_plus", formatVersion: 1, madeBy: "ramplus", dtypes: ["fp32"], defaultDtype: "fp32", network: { encoder: { kind: "swin" } } }));
const preprocessor = JSON.parse(serialisePreprocessorConfig({ size: 8, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }));
const tags = [{ id: 0, en: "red", zh: "红", threshold: 0.5, aliases: ["scarlet"], parents: ["colour"], wnid: "n04963740" }, { id: 1, en: "colour", zh: "颜色", threshold: null, wnid: ["n04956594"] }];
const labels = { classes: [{ name: "dog", wnid: "n02084071" }, { name: "cat" }], splits: { train: { a: 0, b: { labels: [0, 1], captions: ["a dog"] } }, val: { c: { captions: [] } } } };
const list = [{ image_path: "a.jpg", caption: ["a dog", "a cat"], union_label_id: [0, 1], parse_label_id: [[0], [1]] }, { image_path: "b.jpg", caption: "sky", union_label_id: [2], parse_label_id: [2] }];
const photoLabels = [{ file: "a.jpg", tags: ["dog", { id: 1, en: "cat" }] }, { file: "b/c.png", tags: [] }, { file: "d.png", error: { code: "image-empty" } }];
const groups = { pets: ["dog", "cat"], wild: [] };
const calibration = { format: "ramplus-calibration", format_version: 1, model: "m", target: "f1", photos: 3, tags: [{ en: "x", positives: 1, negatives: 2, threshold: 0.5, points: [{ threshold: 0.5, precision: 1, recall: 0.5 }], probabilities: [{ score: 0.5, probability: 0.25 }] }] };
const hypernyms = { n00001740: { words: ["entity"], parents: [] }, n00001930: { words: ["thing", "object"], parents: ["n00001740"] } };
const training = {
  model: { encoder: { kind: "mobilenet_v2", imageSize: 32 }, textWidth: 16, descriptions: 2, head: { width: 16, layers: 1, heads: 2, intermediate: 32 }, similarity: true },
  vocabulary: "vocabulary.json",
  classifier: null,
  sources: [{ set: "set", limit: 4 }],
  phases: [{ name: "a", from: "pixels", steps: 2, batch: 2, drawnTags: 4, rate: 1e-3, rateScales: { "fc.": 2 }, losses: { tagging: 1 } }],
  normalisation: { mean: [0.5, 0.5, 0.5] },
};

/** A training configuration from its text; that this may be no JSON is told elsewhere. */
async function readTraining(file: string): Promise<void> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
  } catch {
    return;
  }
  parseTrainConfig(json, file);
}

/** A model folder with one of its files as given: what a reader makes of it must hold what the types say. */
async function readFolder(file: string): Promise<void> {
  const model = await readModelFolder(dirname(file));
  parseModelConfig(JSON.parse(serialiseModelConfig(model.config)), file);
  parsePreprocessorConfig(JSON.parse(serialisePreprocessorConfig(model.preprocessor)), file);
  const index = indexTags(model.tags);
  for (const tag of model.tags.slice(0, 100)) index.impliedBy(tag);
}

function part(name: string, fileName: string, value: Parameters<typeof strangeJson>[0][number], read: FuzzPart["read"], more: Partial<FuzzPart> = {}): FuzzPart {
  return { name, fileName, peak: 1000, runs: 120, named: () => jsonBombs, originals: () => [{ what: `a valid ${fileName}`, bytes: text(value) }], structured: () => strangeJson([value]), read, ...more };
}

/** Each of 20,000 tags implies the next: all that a tag implies would be 200 million entries. */
const chain = text(Array.from({ length: 20_000 }, (_, id) => ({ id, en: `t${id}`, zh: "", threshold: 0.5, parents: [`t${id + 1}`] })));
const endless: readonly NamedInput[] = [...jsonBombs, { what: "fp32 a hundred thousand times", bytes: text({ ...config, dtypes: Array.from({ length: 100_000 }, () => "fp32") }), ends: "bad-config" }];
const beside = { prepare: (folder: string) => writeTinyModel(folder) };

/** The readers of JSON: a model folder's three files, labels, the reference's lists, training configurations, WordNet. */
export const jsonParts: readonly FuzzPart[] = [
  part("config", "config.json", config, readFolder, { ...beside, named: () => endless }),
  part("preprocessor", "preprocessor_config.json", preprocessor, readFolder, beside),
  part("tags", "tags.json", tags, readFolder, { ...beside, named: () => [...jsonBombs, { what: "tags that imply one another", bytes: text(tags.map((tag) => ({ ...tag, parents: ["red", "colour"] }))), ends: "read" }, { what: "20,000 tags that imply the next", bytes: chain }] }),
  part("labels", "labels.json", labels, async (file) => void (await openLabelledSet(dirname(file)))),
  part("photo-labels", "photos.json", photoLabels, async (file) => void (await readLabelFile(file)), { originals: () => [{ what: "an object", bytes: text({ "a.jpg": ["dog"] }) }, { what: "a list", bytes: text(photoLabels) }] }),
  part("groups", "groups.json", groups, async (file) => void (await readGroups(file))),
  part("reference-list", "list.json", list, async (file) => void (await readReferenceList(file, 3))),
  part("train-config", "train.json", training, readTraining),
  part("calibration", "calibration.json", calibration, async (file) => void (await readCalibration(file, "m"))),
  part("hypernyms", "hypernyms.json", hypernyms, async (file) => void (await loadHypernyms(file))),
];
