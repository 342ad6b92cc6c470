import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { present } from "../../src/data/tag-targets.js";
import { finishModel } from "../../src/train/finish-model.js";
import { train } from "../../src/train/train.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { smallConfig, writeSmallModel } from "../small-model.js";
import { temporaryFolder } from "../tiny-model-folder.js";
import { writeSquares, writeSyntheticRun } from "./synthetic-run.js";

const { modelType: _type, tags: _tags, ...sizes } = smallConfig;

test("biases and thresholds move together: the folder's tags are as often right as is said of them", async () => {
  await using folder = await temporaryFolder();
  const file = await writeSyntheticRun(folder.path, 1);
  // One in five labelled wrong, so that nothing is always right.
  await writeSquares(join(folder.path, "set"), 90, ["red", "green", "blue"], (i) => (i % 5 === 0 ? (i + 1) % 3 : i % 3));
  await writeSmallModel(join(folder.path, "model"));
  const phase = { name: "head", from: "tokens", steps: 60, batch: 8, drawnTags: 4, rate: 1e-2, weightDecay: 0, losses: { tagging: 1 } };
  writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, "utf8")) as object), model: sizes, weights: "model", heldOut: 0.5, phases: [phase] }));
  const result = await train(file, { out: join(folder.path, "run"), device: "cpu" });
  assert.ok(result.weights.has("similarity_bias"));
  const finished = await finishModel(result, join(folder.path, "finished"));
  const judged = finished.flatMap(({ by, threshold, precision }, id) => (by === "labels" && threshold !== null ? [{ id, precision }] : []));
  assert.ok(judged.length >= 3, JSON.stringify(finished));
  await using tagger = await Tagger.load(join(folder.path, "finished"), { device: "cpu" });
  const given: Set<number>[] = [];
  for (const photo of result.heldOut) given.push(new Set((await tagger.tag(await photo.read())).tags.map(({ id }) => id)));
  for (const { id, precision } of judged) {
    const fired = result.heldOut.filter((_, i) => given[i]!.has(id));
    assert.equal(fired.filter(({ targets }) => targets[id] === present).length / fired.length, precision, finished[id]!.en);
  }
});
