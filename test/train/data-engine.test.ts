import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { improveLabels } from "../../src/train/data-engine.js";
import { finishModel } from "../../src/train/finish-model.js";
import { readLabelChanges } from "../../src/train/label-changes.js";
import { train } from "../../src/train/train.js";
import { smallConfig, writeSmallModel } from "../small-model.js";
import { temporaryFolder } from "../tiny-model-folder.js";
import { writeSquares } from "./synthetic-run.js";

const { modelType: _type, tags: _tags, ...model } = smallConfig;
const colours = ["red", "green", "blue"] as const;
const phase = { name: "head", from: "tokens", steps: 80, batch: 16, drawnTags: 5, rate: 1e-2, warmup: 2, weightDecay: 0, losses: { tagging: 1 } };

test("the data engine proposes tags that labels lack, doubts wrong ones, and keeps what photos kept out confirm", async () => {
  await using folder = await temporaryFolder();
  const at = (...parts: string[]): string => join(folder.path, ...parts);
  // Of the second set's photos nothing is said but that they are squares; two blue ones of the third are called red.
  await writeSquares(at("told"), 120, colours, (i) => i % 3);
  await writeSquares(at("untold"), 30, ["square"], () => 0);
  await writeSquares(at("wrong"), 90, colours, (i) => (i === 2 || i === 5 ? 0 : i % 3));
  writeFileSync(at("vocabulary.json"), JSON.stringify([...colours.map((en) => ({ en, zh: en, parents: ["colour"] })), { en: "colour", zh: "颜色" }, { en: "square", zh: "方形" }]));
  await writeSmallModel(at("start"));
  const config = { model, vocabulary: "vocabulary.json", heldOut: 0.3, seed: 4, logEvery: 20 };
  writeFileSync(at("first.json"), JSON.stringify({ ...config, weights: "start", sources: [{ set: "told" }], phases: [phase] }));
  await finishModel(await train(at("first.json"), { out: at("first"), device: "cpu" }), at("model"));
  writeFileSync(at("engine.json"), JSON.stringify({ ...config, weights: "model", sources: [{ set: "told" }, { set: "untold" }, { set: "wrong" }], phases: [{ ...phase, steps: 10, rate: 1e-3 }] }));

  const report = await improveLabels(at("engine.json"), { out: at("run"), device: "cpu" });
  assert.deepEqual(report.steps.map(({ name }) => name), ["generate", "clean"]);
  const generated = await readLabelChanges(at("run", "generate.json"));
  const proposals = generated.flatMap(({ tag, added }) => added.map((photo) => [tag, photo] as const)).filter(([tag]) => tag !== "colour");
  assert.ok(proposals.length >= 10, String(proposals.length));
  for (const [tag, photo] of proposals) assert.ok(photo.startsWith(tag === "square" ? "" : `untold/${tag}-`), `${tag}: ${photo}`);
  const cleaned = await readLabelChanges(at("run", "clean.json"));
  assert.ok(cleaned.find(({ tag }) => tag === "red")?.removed.some((photo) => /wrong\/blue-[25]$/.test(photo)), JSON.stringify(cleaned));
  for (const { tag, removed } of cleaned) for (const photo of removed) assert.match(photo, /wrong\/blue-[25]$/, `${tag}: ${photo}`);
  for (const { kept, before, after } of report.steps) assert.equal(kept, after > before);
  assert.ok(existsSync(at("run", "sheets", `generate ${generated[0]!.tag}.jpg`)) && existsSync(at("run", "sheets", "clean red.jpg")));
  // What was kept goes into a run.
  writeFileSync(at("next.json"), JSON.stringify({ ...(JSON.parse(readFileSync(at("engine.json"), "utf8")) as object), changes: [report.changes, "run/generate.json"] }));
  await train(at("next.json"), { out: at("next"), device: "cpu" });
});

test("a data engine needs a start, and phases from tokens", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  await writeSquares(at("set"), 9, colours, (i) => i % 3);
  writeFileSync(at("vocabulary.json"), JSON.stringify(colours.map((en) => ({ en, zh: en }))));
  await writeSmallModel(at("start"));
  const config = { model, vocabulary: "vocabulary.json", weights: "start", sources: [{ set: "set" }], phases: [{ ...phase, from: "pixels" }] };
  writeFileSync(at("engine.json"), JSON.stringify(config));
  await assert.rejects(improveLabels(at("engine.json"), { out: at("run"), device: "cpu" }), { code: "bad-train-config", message: /phases from tokens alone/ });
  writeFileSync(at("engine.json"), JSON.stringify({ ...config, phases: [phase], leaveOut: ["purple"] }));
  await assert.rejects(improveLabels(at("engine.json"), { out: at("run"), device: "cpu" }), { code: "bad-train-config", message: /leaveOut names "purple"/ });
});
