import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { writeBackground } from "../../src/bundle/background.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { normal, seededRandom } from "../../src/tensor/random.js";
import { float32 } from "../../src/tensor/tensor.js";
import { finetune } from "../../src/train/finetune.js";
import { scoreEmbeddings } from "../../src/train/kept-embeddings.js";
import { median } from "../../src/train/median.js";
import { readModelStart, type ModelStart } from "../../src/train/model-start.js";
import { memoryTokens } from "../../src/train/token-cache.js";
import { writeSmallModel } from "../small-model.js";
import { temporaryFolder } from "../tiny-model-folder.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));

/** Photos of two colours, one of which the labels call by a new name. */
async function writePhotos(folder: string, count: number): Promise<string> {
  mkdirSync(join(folder, "photos"));
  const lines = ["file,tags"];
  for (let i = 0; i < count; i++) {
    const name = `${i}.png`;
    await sharp({ create: { width: 24 + i, height: 32, channels: 3, background: i % 2 === 0 ? { r: 220, g: 30 + i, b: 30 } : { r: 30, g: 40 + i, b: 220 } } }).png().toFile(join(folder, "photos", name));
    lines.push(`${name},${i % 2 === 0 ? "tomato" : "sky"}`);
  }
  writeFileSync(join(folder, "labels.csv"), `${lines.join("\n")}\n`);
  return join(folder, "labels.csv");
}

test("a model learns a new label beside its own tags; what the labels do not speak of keeps its place", async () => {
  await using folder = await temporaryFolder();
  const model = join(folder.path, "model");
  await writeSmallModel(model);
  const labels = await writePhotos(folder.path, 60);
  const phases = new Set<string>();
  const options = { labels, out: join(folder.path, "run"), device: "cpu", heldOut: 0.3, epochs: 12, rate: 0.01, whole: true } as const;
  const result = await finetune(model, join(folder.path, "photos"), { ...options, onProgress: ({ phase }) => phases.add(phase) });
  assert.ok(phases.has("head") && phases.has("whole"));
  assert.equal(result.photos, 60);
  assert.deepEqual(result.tags.map(({ en, added }) => [en, added]).sort(), [["sky", false], ["tomato", true]]);
  const after = result.tags.find(({ en }) => en === "tomato")!;
  assert.ok(after.before === null && after.after! > 0.9, JSON.stringify(result));
  await using tagger = await Tagger.load(result.folder);
  assert.deepEqual(tagger.tags.map(({ en }) => en), ["dog", 'cat, "big"', "tree", "car", "sky", "never", "tomato"]);
  assert.equal(tagger.tags[5]!.threshold, null, "a tag that is off stays off");
  const red = await sharp({ create: { width: 40, height: 32, channels: 3, background: { r: 220, g: 50, b: 30 } } }).png().toBuffer();
  const { scores } = await tagger.tag(new Uint8Array(red), { scores: true });
  assert.ok(scores![6]! > scores![4]!, "tomato before sky");
  // A finished run has nothing left to do, and says the same.
  const again = await finetune(model, join(folder.path, "photos"), { ...options, resume: true });
  assert.deepEqual(again.map, result.map);
  await assert.rejects(finetune(model, join(folder.path, "photos"), options), { code: "bad-training-state" });
});

test("on everyday photos, whose features the model carries, tags that no label speaks of score in the middle as they did", async () => {
  await using folder = await temporaryFolder();
  const model = join(folder.path, "model");
  await writeSmallModel(model);
  const random = seededRandom(1, 2);
  const everyday = Array.from({ length: 41 }, () => float32([2, 16], Float32Array.from({ length: 32 }, () => 2 * normal(random))));
  await writeBackground(model, everyday);
  const labels = await writePhotos(folder.path, 60);
  const result = await finetune(model, join(folder.path, "photos"), { labels, out: join(folder.path, "run"), device: "cpu", heldOut: 0.3, epochs: 40, patience: 40, rate: 0.02 });
  const [old, tuned] = [await readModelStart(model), await readModelStart(result.folder)];
  const logitsOf = (start: ModelStart): Promise<Float32Array[]> => scoreEmbeddings(start.model, start.weights, memoryTokens(everyday), Int32Array.from(everyday, (_, i) => i), { out: folder.path, device: "cpu" });
  const [before, after] = [await logitsOf(old), await logitsOf(tuned)];
  const shifts = (id: number): number[] => before.map((row, i) => after[i]![id]! - row[id]!);
  for (const id of [0, 1, 2, 3, 5]) assert.ok(Math.abs(median(shifts(id))) < 0.01, `${old.tags[id]!.en}: ${median(shifts(id))}`);
  assert.ok(Math.max(...shifts(0).map(Math.abs)) > 0.1, "the head did change its mind");
});

test("patience: a phase ends when the photos kept out gain nothing more, with its best weights", async () => {
  await using folder = await temporaryFolder();
  const model = join(folder.path, "model");
  await writeSmallModel(model);
  const labels = await writePhotos(folder.path, 60);
  const out = join(folder.path, "run");
  const validations: { step: number; validation: number }[] = [];
  await finetune(model, join(folder.path, "photos"), { labels, out, device: "cpu", heldOut: 0.3, epochs: 200, patience: 2, rate: 0.02, onProgress: ({ step, validation }) => validation !== undefined && validations.push({ step, validation }) });
  const { phases, saveEvery } = JSON.parse(await readFile(join(out, "finetune.json"), "utf8")) as { phases: { steps: number }[]; saveEvery: number };
  const last = validations.at(-1)!;
  assert.ok(last.step < phases[0]!.steps, `ended at ${last.step} of ${phases[0]!.steps}`);
  const best = Math.max(...validations.map(({ validation }) => validation));
  const first = validations.find(({ validation }) => validation === best)!;
  assert.equal(last.step - first.step, 2 * saveEvery);
});

test("finetune as a process, and what it refuses", async () => {
  await using folder = await temporaryFolder();
  const model = join(folder.path, "model");
  await writeSmallModel(model);
  const labels = await writePhotos(folder.path, 40);
  const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } => spawnSync(process.execPath, [bin, "finetune", ...args], { encoding: "utf8" });
  const photos = join(folder.path, "photos");
  const done = run(model, photos, "--labels", labels, "--out", join(folder.path, "run"), "--epochs", "2");
  assert.equal(done.status, 0, done.stderr);
  assert.match(done.stdout, /^40 photos, \d+ of them kept out; on these:\n {2}mAP of the tags that were there before .*\n {2}mAP with the 1 new tag /);
  for (const [args, status, message] of [
    [[model], 2, /needs a MODEL and PHOTOS/],
    [[model, photos, "--labels", labels], 2, /needs --out/],
    [[model, photos, "--labels", labels, "--out", join(folder.path, "x"), "--held-out", "2"], 2, /--held-out 2/],
    [[model, photos, "--out", join(folder.path, "x")], 1, /labels\.json/],
    [[model, photos, "--labels", labels, "--out", join(folder.path, "run")], 1, /add --resume/],
    [[join(folder.path, "nothing"), photos, "--labels", labels, "--out", join(folder.path, "x")], 3, /not a model folder/],
  ] as const) {
    const failed = run(...args);
    assert.equal(failed.status, status, failed.stderr);
    assert.match(failed.stderr, message);
    assert.doesNotMatch(failed.stderr, /at .*\.js:/);
  }
});
