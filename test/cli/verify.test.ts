import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { writeSafetensors } from "../../src/checkpoint/write-safetensors.js";
import { convertCheckpoint } from "../../src/convert/convert-checkpoint.js";
import type { VerifyReport } from "../../src/index.js";
import { float32 } from "../../src/tensor/tensor.js";
import { bytesOf, npyFile, npyHeader } from "../npy-file.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";
import { temporaryFolder, tinySize, writeTinyModel } from "../tiny-model-folder.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));
const folder = await temporaryFolder();
const at = (name: string): string => join(folder.path, name);
after(() => folder[Symbol.asyncDispose]());

/** Logits of two photos of one colour, channels (1, 0, 0) and (-1, 1, 1), by the tiny model's weights. */
const logits = [
  [2, -6, -6, 0, 29, -14],
  [-14, 2, 2, 0, 29, -14],
];
before(async () => {
  await writeTinyModel(at("tiny"));
  const plane = (value: number): number[] => new Array<number>(tinySize * tinySize).fill(value);
  const pixels = [...plane(1), ...plane(0), ...plane(0), ...plane(-1), ...plane(1), ...plane(1)];
  writeFileSync(at("pixels.npy"), npyFile(npyHeader("<f4", `(2, 3, ${tinySize}, ${tinySize})`), bytesOf(Float32Array.from(pixels))));
  writeFileSync(at("logits.npy"), npyFile(npyHeader("<f8", "(2, 6)"), bytesOf(Float64Array.from(logits.flat()))));
});

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function verify(...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, "verify", ...args], { cwd: folder.path });
    let [out, err] = ["", ""];
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => (err += data));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

async function report(...args: readonly string[]): Promise<{ readonly code: number | null; readonly report: VerifyReport }> {
  const { code, out, err } = await verify(...args, "--json");
  assert.equal(err, "");
  return { code, report: JSON.parse(out) };
}

test("preprocessed photos against logits in a .npy file: exit 0", async () => {
  const { code, report: found } = await report("tiny", "--pixels", "pixels.npy", "--against", "logits.npy");
  assert.equal(code, 0);
  assert.deepEqual([found.kind, found.kindDetected, found.measure, found.tolerance, found.photos.length, found.within], ["logits", true, "largest logit difference", 3e-4, 2, true]);
});

test("logits that differ are told photo by photo with the tags that differ: exit 1", async () => {
  const other = logits.map((row, i) => (i === 0 ? row : row.map((value, tag) => (tag === 1 ? -value : value))));
  writeFileSync(at("other.npy"), npyFile(npyHeader("<f4", "(2, 6)"), bytesOf(Float32Array.from(other.flat()))));
  const { code, out } = await verify("tiny", "--pixels", "pixels.npy", "--against", "other.npy");
  assert.equal(code, 1);
  assert.match(out, /^ok {2}row 0 of pixels\.npy\n/);
  assert.match(out, /FAR row 1 of pixels\.npy\n {4}logits differ by at most 4\.0e\+0/);
  assert.match(out, /2 tags in common, 1 only here, 0 only there\n {4}only here: green \(here 0\.8808, there 0\.1192, threshold 0\.6\)/);
  assert.match(out, /1 of 2 photos are not within the tolerance: largest logit difference/);
  assert.equal((await verify("tiny", "--pixels", "pixels.npy", "--against", "other.npy", "--tolerance", "5")).code, 0);
});

test("probabilities are told by their values, and logits that are none by --kind", async () => {
  const scores = logits.flat().map((value) => 1 / (1 + Math.exp(-value)));
  await writeSafetensors(at("scores.safetensors"), [{ name: "run", tensor: float32([2, 6], scores) }]);
  const found = await report("tiny", "--pixels", "pixels.npy", "--against", "scores.safetensors");
  assert.deepEqual([found.code, found.report.kind, found.report.measure], [0, "sigmoid", "largest probability difference"]);
  const { code, err } = await verify("tiny", "--pixels", "pixels.npy", "--against", "logits.npy", "--kind", "sigmoid");
  assert.equal(code, 1);
  assert.match(err, /holds \S+, which is no probability; are these logits \(--kind logits\)\? \(bad-reference\)/);
});

test("rows that are not the photos', tensors that are not there and files that are none are told in one line", async () => {
  writeFileSync(at("short.npy"), npyFile(npyHeader("<f4", "(1, 6)"), Buffer.alloc(24)));
  writeFileSync(at("nan.npy"), npyFile(npyHeader("<f4", "(2, 6)"), bytesOf(new Float32Array(12).fill(Number.NaN))));
  writeFileSync(at("objects.npy"), npyFile(npyHeader("|O", "(2, 6)"), Buffer.from("cos\nsystem\n")));
  writeFileSync(at("pixels-9.npy"), npyFile(npyHeader("<f4", "(2, 3, 9, 9)"), Buffer.alloc(2 * 3 * 81 * 4)));
  await writeSafetensors(at("two.safetensors"), ["a", "b"].map((name) => ({ name, tensor: float32([2, 6], logits.flat()) })));
  const pixels = ["tiny", "--pixels", "pixels.npy", "--against"];
  for (const [args, code, message] of [
    [[...pixels, "short.npy"], 1, /the array has shape \[1, 6\], expected \[2, 6\]: a row for each photo.*\(bad-reference\)/],
    [[...pixels, "nan.npy"], 1, /value 0 is NaN, which is no number/],
    [[...pixels, "objects.npy"], 1, /holds Python objects, which are never read.*\(bad-npy\)/],
    [[...pixels, "two.safetensors"], 1, /say with --tensor which of its tensors: a, b/],
    [[...pixels, "two.safetensors", "--tensor", "c"], 1, /has no tensor c; it has a, b/],
    [[...pixels, "logits.npy", "--tensor", "c"], 2, /is a \.npy file, which holds one array without a name/],
    [[...pixels, "nowhere.npy"], 1, /no such file \(not-found\)/],
    [["tiny", "--pixels", "pixels-9.npy", "--against", "logits.npy"], 2, /pixel values \[1, 3, 9, 9\]: expected \[N, 3, 8, 8\]/],
    [["nowhere", "--pixels", "pixels.npy", "--against", "logits.npy"], 3, /is not a model folder/],
    [["tiny", "--against", "logits.npy"], 2, /either PHOTO\.\.\. or --pixels/],
    [["tiny", "a.jpg"], 2, /needs a MODEL and --against/],
    [["tiny", "no*.jpg", "--against", "logits.npy"], 2, /matches no image/],
    [[...pixels, "logits.npy", "--tolerance", "-1"], 2, /--tolerance needs a value|expected a number/],
  ] as const) {
    const ran = await verify(...args);
    assert.equal(ran.code, code, ran.err);
    assert.match(ran.err, message);
    assert.deepEqual([ran.out, ran.err.trim().split("\n").length], ["", 1]);
  }
});

test("the row of a named tensor of two is taken", async () => {
  assert.equal((await verify("tiny", "--pixels", "pixels.npy", "--against", "two.safetensors", "--tensor", "b")).code, 0);
});

const mini = { skip: sharedMissing("parity/ram_plus_mini") };
const convertMini = async (out: string, dtype: "fp32" | "fp16"): Promise<void> => {
  const list = (name: string): string => shared(`parity/ram_plus_mini/${name}.txt`);
  await convertCheckpoint(shared("parity/ram_plus_mini/checkpoint.pth"), out, { tags: list("tags"), tagsZh: list("tags_zh"), thresholds: list("thresholds"), dtypes: [dtype] });
};

test("a converted model against the original's run of the photos' files, and of its own preprocessed photos", mini, async () => {
  await convertMini(at("mini"), "fp32");
  const outputs = shared("parity/ram_plus_mini/outputs.safetensors");
  for (const photos of [[shared("parity/ram_plus_mini/photos")], ["--pixels", shared("parity/ram_plus_mini/inputs.safetensors")]]) {
    const { code, report: found } = await report("mini", ...photos, "--against", outputs, "--tolerance", "5e-5");
    assert.equal(code, 0);
    assert.deepEqual([found.kind, found.photos.length], ["logits", 6]);
    for (const photo of found.photos) assert.ok("within" in photo && photo.maxLogit! < 5e-5 && photo.onlyHere.length + photo.onlyThere.length === 0 && photo.common > 0);
  }
  const sigmoid = await report("mini", shared("parity/ram_plus_mini/photos"), "--against", outputs, "--tensor", "sigmoid");
  assert.deepEqual([sigmoid.code, sigmoid.report.kind], [0, "sigmoid"]);
});

test("photos in another order are far off", mini, async () => {
  const names = ["room.jpg", "pavilion.jpg", "mountains.jpg", "flower.webp", "dogs.jpg", "brushes.png"].map((name) => shared(`parity/ram_plus_mini/photos/${name}`));
  const { code, report: found } = await report("mini", ...names, "--against", shared("parity/ram_plus_mini/outputs.safetensors"));
  assert.equal(code, 1);
  assert.ok(found.photos.every((photo) => "within" in photo && !photo.within));
});

test("a photo that cannot be read is told, and the others are compared", mini, async () => {
  const names = ["brushes.png", "dogs.jpg"].map((name) => shared(`parity/ram_plus_mini/photos/${name}`));
  const all = readSafetensorsFixture(shared("parity/ram_plus_mini/outputs.safetensors")).get("logits")!.data as Float32Array;
  writeFileSync(at("three.npy"), npyFile(npyHeader("<f4", "(3, 60)"), bytesOf(Float32Array.from([...all.subarray(0, 60), ...new Float32Array(60), ...all.subarray(60, 120)]))));
  const { code, report: found } = await report("mini", names[0]!, at("nowhere.jpg"), names[1]!, "--against", "three.npy");
  assert.equal(code, 1);
  assert.deepEqual(found.photos.map((photo) => ("within" in photo ? photo.within : photo.error.code)), [true, "image-not-found", true]);
});

test("half precision is held against a mean", mini, async () => {
  await convertMini(at("mini16"), "fp16");
  const { code, report: found } = await report("mini16", shared("parity/ram_plus_mini/photos"), "--against", shared("parity/ram_plus_mini/outputs.safetensors"));
  assert.deepEqual([found.dtype, found.measure, found.tolerance], ["fp16", "mean probability difference", 5e-4]);
  assert.equal(code, found.within ? 0 : 1);
  assert.ok(found.photos.every((photo) => "within" in photo && photo.meanProbability > 1e-6 && photo.meanProbability < 5e-3));
});
