import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { calibrationFile, readCalibration, writeCalibration, type Calibration } from "../../src/bundle/calibration.js";
import { graphsId } from "../../src/bundle/model-id.js";
import { readModelFolder } from "../../src/bundle/model-folder.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { temporaryFolder, tinySize, writeTinyModel } from "../tiny-model-folder.js";

const red = { width: tinySize, height: tinySize, data: Uint8Array.from({ length: tinySize ** 2 * 3 }, (_, i) => (i % 3 === 0 ? 255 : 0)) };

test("a calibration beside the model gives the thresholds; another file, none, or a precision in its place", async () => {
  await using folder = await temporaryFolder();
  await writeTinyModel(folder.path);
  const id = await graphsId(await readModelFolder(folder.path));
  const points = [
    { threshold: 0.9, precision: 1, recall: 0.5 },
    { threshold: 0.2, precision: 0.8, recall: 1 },
  ];
  const calibration: Calibration = { model: id, target: "f1", photos: 10, tags: [{ en: "colour", positives: 5, negatives: 5, threshold: 0.9, points, probabilities: [{ score: 0, probability: 0 }, { score: 1, probability: 0.5 }] }] };
  await writeCalibration(calibrationFile(folder.path), calibration);
  assert.deepEqual(await readCalibration(calibrationFile(folder.path), id), calibration);
  const names = async (threshold?: "official" | { precision: number }, file?: string | null): Promise<string[]> => {
    await using tagger = await Tagger.load(folder.path, file === undefined ? {} : { calibration: file });
    return (await tagger.tag(red, threshold === undefined ? {} : { threshold })).tags.map(({ en }) => en);
  };
  // The model scores "colour" with 0.5, and its own threshold is 0.3.
  assert.deepEqual(await names(), ["red"]);
  await writeCalibration(join(folder.path, "low.json"), { ...calibration, tags: [{ ...calibration.tags[0]!, threshold: 0.05 }] });
  assert.deepEqual(await names("official", join(folder.path, "low.json")), ["red", "colour"]);
  assert.deepEqual(await names("official", null), ["red", "colour"]);
  assert.deepEqual(await names({ precision: 0.7 }), ["red", "colour"]);
  assert.deepEqual(await names({ precision: 0.9 }), ["red"]);
  await writeCalibration(join(folder.path, "low.json"), { ...calibration, tags: [{ ...calibration.tags[0]!, points: [{ threshold: 0.1, precision: 0.75, recall: 1 }] }] });
  assert.deepEqual(await names({ precision: 0.7 }, join(folder.path, "low.json")), ["red", "colour"]);
  assert.deepEqual(await names({ precision: 0.9 }, join(folder.path, "low.json")), ["red"], "what was never so precise does not fire; what is not calibrated keeps its own");
  await using tagger = await Tagger.load(folder.path, { calibration: join(folder.path, "low.json") });
  const { tags } = await tagger.tag(red, { threshold: 0 });
  const colour = tags.find(({ en }) => en === "colour")!;
  assert.ok(Math.abs(colour.probability! - colour.score / 2) < 1e-6);
  assert.equal(tags.find(({ en }) => en === "red")!.probability, undefined);
  await assert.rejects(tagger.tag(red, { threshold: { precision: 2 } }), { code: "bad-option" });
  await assert.rejects(names({ precision: 0.5 }, null), { code: "no-calibration", message: /ramplus calibrate/ });
});

test("files that are no calibration, or another model's, are refused with what is wrong", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "c.json");
  const sound = { format: "ramplus-calibration", format_version: 1, model: "m", target: "f1", photos: 3, tags: [{ en: "x", positives: 1, negatives: 2, points: [] }] };
  await assert.rejects(readCalibration(join(folder.path, "none.json"), "m"), { code: "missing-file" });
  for (const [json, code, message] of [
    ["{", "bad-calibration", /not JSON/],
    [[], "bad-calibration", /no calibration/],
    [{ ...sound, format_version: 2 }, "bad-calibration", /format_version 2/],
    [{ ...sound, model: "another" }, "wrong-calibration", /calibrate again/],
    [{ ...sound, tags: 5 }, "bad-calibration", /list of tags/],
    [{ ...sound, tags: [5] }, "bad-calibration", /tag 0: expected an object/],
    [{ ...sound, tags: [{ en: "x", positives: -1, negatives: 0, points: [] }] }, "bad-calibration", /counts/],
    [{ ...sound, tags: [{ en: "x", positives: 1, negatives: 0, points: [], threshold: 7 }] }, "bad-calibration", /threshold 7/],
    [{ ...sound, tags: [{ en: "x", positives: 1, negatives: 0, points: [{ threshold: 0.1 }] }] }, "bad-calibration", /points/],
    [{ ...sound, tags: [{ en: "x", positives: 1, negatives: 0, points: [], probabilities: [{ score: "x" }] }] }, "bad-calibration", /probabilities/],
  ] as const) {
    await writeFile(file, typeof json === "string" ? json : JSON.stringify(json));
    await assert.rejects(readCalibration(file, "m"), (error: Error & { code: string }) => error.code === code && message.test(error.message), String(message));
  }
  await assert.rejects(writeCalibration(join(folder.path, "no", "where.json"), { model: "m", target: "f1", photos: 0, tags: [] }), { code: "unwritable" });
});
