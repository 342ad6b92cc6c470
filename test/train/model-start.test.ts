import assert from "node:assert/strict";
import { test } from "node:test";
import { writeModel } from "../../src/convert/write-model.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { initialWeights } from "../../src/train/initial-weights.js";
import { readModelStart, startFromModel } from "../../src/train/model-start.js";
import { smallConfig, smallTags, writeSmallModel } from "../small-model.js";
import { temporaryFolder } from "../tiny-model-folder.js";

test("a model folder gives back the weights that it was written from", async () => {
  await using folder = await temporaryFolder();
  await writeSmallModel(folder.path);
  const { model, weights, tags } = await readModelStart(folder.path);
  assert.deepEqual({ ...model }, { ...smallConfig });
  assert.deepEqual(tags.map(({ en }) => en), smallTags.map(({ en }) => en));
  const written = initialWeights(smallConfig, 3);
  assert.deepEqual([...weights.keys()].sort(), [...written.keys()].sort());
  for (const [name, tensor] of written) {
    if (name === "similarity_bias") continue;
    assert.deepEqual(weights.get(name)!.shape, tensor.shape, name);
    // Scales were raised to e and brought back.
    weights.get(name)!.data.forEach((v, i) => assert.ok(Math.abs(v - tensor.data[i]!) <= (name.endsWith("scale") ? 1e-6 : 0), name));
  }
});

test("the embedded model, read back and written again, gives the same scores", async () => {
  await using folder = await temporaryFolder();
  await using shipped = await Tagger.load();
  const { model, tags, weights } = await readModelStart(shipped.folder);
  await writeModel(folder.path, { model, weights: (name) => weights.get(name)!, tags, preprocessor: { size: model.encoder.imageSize, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }, dtypes: ["fp16"], card: "", madeBy: "test" });
  await using again = await Tagger.load(folder.path);
  const [a, b] = [await shipped.tag("examples/two-dogs.jpg", { scores: true }), await again.tag("examples/two-dogs.jpg", { scores: true })];
  a.scores!.forEach((score, id) => assert.ok(Math.abs(score - b.scores![id]!) < 1e-5, shipped.tags[id]!.en));
});

test("another vocabulary: rows by name and alias, new tags near their kin, other sizes refused", async () => {
  await using folder = await temporaryFolder();
  await writeSmallModel(folder.path);
  const start = await readModelStart(folder.path);
  const tags = [
    { id: 0, en: "sky", zh: "", threshold: 0.5 },
    { id: 1, en: "hound", zh: "", threshold: 0.5, aliases: ["dog"] },
    { id: 2, en: "plant", zh: "", threshold: 0.5 },
    { id: 3, en: "tree", zh: "", threshold: 0.5, parents: ["plant"] },
  ];
  const weights = startFromModel({ ...smallConfig, tags: 4 }, tags, start, 1);
  const block = smallConfig.descriptions * smallConfig.textWidth;
  const row = (data: ArrayLike<number>, id: number): number[] => Array.from({ length: block }, (_, i) => data[id * block + i]!);
  const [now, before] = [weights.get("label_embed")!.data as Float32Array, start.weights.get("label_embed")!.data];
  assert.deepEqual(row(now, 0), row(before, 4));
  assert.deepEqual(row(now, 1), row(before, 0));
  assert.deepEqual(row(now, 2), row(before, 2), "a new tag begins where the tag that implies it is");
  assert.deepEqual([...(weights.get("similarity_bias")!.data as Float32Array)], [-2, 2, -1, -1]);
  assert.deepEqual(weights.get("image_proj.weight"), start.weights.get("image_proj.weight"));
  assert.throws(() => startFromModel({ ...smallConfig, textWidth: 8, tags: 4 }, tags, start, 1), { code: "wrong-weight" });
});
