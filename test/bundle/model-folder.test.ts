import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { BundleError } from "../../src/bundle/bundle-error.js";
import { choosePrecision, readModelFolder } from "../../src/bundle/model-folder.js";
import { temporaryFolder, tinySize, tinyTags, writeTinyModel } from "../tiny-model-folder.js";

type Json = Record<string, unknown>;

/** A written folder whose JSON file is changed. */
async function changed(folder: string, file: string, change: (json: Json) => unknown): Promise<void> {
  const json = JSON.parse(await readFile(join(folder, file), "utf8")) as Json;
  await writeFile(join(folder, file), JSON.stringify(change(json) ?? json));
}

test("a folder reads as it was written, and holds nothing half written", async () => {
  await using folder = await temporaryFolder();
  await writeTinyModel(folder.path, { dtypes: ["fp32", "fp16"] });
  const model = await readModelFolder(folder.path);
  assert.deepEqual(model.tags, tinyTags);
  assert.deepEqual(model.preprocessor, { size: tinySize, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] });
  assert.deepEqual(model.config, { modelType: "ram_plus", formatVersion: 1, madeBy: "ramplus test", dtypes: ["fp32", "fp16"], defaultDtype: "fp32", network: {} });
  const files = await readdir(folder.path, { recursive: true });
  assert.ok(files.includes(join("onnx", "vision_model_fp16.onnx")));
  assert.deepEqual(
    files.filter((file) => file.endsWith(".part")),
    [],
  );
});

test("the precision asked for is taken where the folder has it", async () => {
  await using folder = await temporaryFolder();
  await writeTinyModel(folder.path, { dtypes: ["fp16", "fp32"] });
  const model = await readModelFolder(folder.path);
  assert.equal(choosePrecision(model), "fp16");
  assert.equal(choosePrecision(model, "fp32"), "fp32");
  assert.throws(() => choosePrecision(model, "q8"), { name: "BundleError", code: "dtype-unavailable", message: /no q8 graphs; it has fp16, fp32/ });
});

for (const [what, file, change, code, message] of [
  ["a newer form names what made it", "config.json", (c: Json) => ({ ...c, format_version: 2, made_by: "ramplus 9.9.9" }), "bad-version", /format_version 2, made by ramplus 9\.9\.9: this release reads version 1/],
  ["an older form names what made it", "config.json", (c: Json) => ({ ...c, format_version: 0, made_by: 7 }), "bad-version", /format_version 0, made by an unknown program/],
  ["another kind of model", "config.json", (c: Json) => ({ ...c, model_type: "clip" }), "bad-config", /model_type "clip": expected "ram_plus" or "ram"/],
  ["a precision that is a path", "config.json", (c: Json) => ({ ...c, dtypes: ["../../fp32"] }), "bad-config", /dtypes \["\.\.\/\.\.\/fp32"\]: expected a list out of fp32, fp16, q8/],
  ["no precision", "config.json", (c: Json) => ({ ...c, dtypes: [] }), "bad-config", /dtypes \[\]/],
  ["a precision twice", "config.json", (c: Json) => ({ ...c, dtypes: ["fp32", "fp32"] }), "bad-config", /dtypes \["fp32","fp32"\]: expected a list out of fp32, fp16, q8, each once/],
  ["a precision that is a list of lists", "config.json", (c: Json) => ({ ...c, default_dtype: [[]] }), "bad-config", /default_dtype a list of 1: expected one of fp32/],
  ["a default that the folder has not", "config.json", (c: Json) => ({ ...c, default_dtype: "q8" }), "bad-config", /default_dtype "q8": expected one of fp32/],
  ["a precision without graphs", "config.json", (c: Json) => ({ ...c, dtypes: ["fp32", "q8"] }), "missing-file", /vision_model_quantized\.onnx: is missing, although config\.json names the precision q8/],
  ["a configuration that is no object", "config.json", () => [], "bad-config", /expected an object/],
  ["an input that is not square", "preprocessor_config.json", (c: Json) => ({ ...c, size: { height: 8, width: 9 } }), "bad-config", /expected equal height and width/],
  ["an input that is huge", "preprocessor_config.json", (c: Json) => ({ ...c, size: { height: 1e9, width: 1e9 } }), "bad-config", /1 to 4096/],
  ["a deviation of zero", "preprocessor_config.json", (c: Json) => ({ ...c, image_std: [0.2, 0, 0.2] }), "bad-config", /image_std \[0\.2,0,0\.2\]/],
  ["another filter", "preprocessor_config.json", (c: Json) => ({ ...c, resample: 3 }), "bad-config", /resample 3: this release does 2 only/],
  ["a crop", "preprocessor_config.json", (c: Json) => ({ ...c, do_center_crop: true }), "bad-config", /do_center_crop true/],
  ["another scale", "preprocessor_config.json", (c: Json) => ({ ...c, rescale_factor: 1 }), "bad-config", /rescale_factor 1/],
  ["tags that do not count from 0", "tags.json", () => [{ id: 1, en: "a", zh: "a", threshold: 0.5 }], "bad-tags", /tags\.json: tag 0: ids count from 0/],
  ["no tags", "tags.json", () => [], "bad-tags", /expected 1 to/],
] as const) {
  test(`refused: ${what}`, async () => {
    await using folder = await temporaryFolder();
    await writeTinyModel(folder.path);
    await changed(folder.path, file, change);
    await assert.rejects(readModelFolder(folder.path), (error: unknown) => {
      assert.ok(error instanceof BundleError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.ok(error.file.startsWith(folder.path));
      return true;
    });
  });
}

test("files that are missing, no JSON or no files are named", async () => {
  await using folder = await temporaryFolder();
  const [model, config] = [join(folder.path, "model"), join(folder.path, "model", "config.json")];
  await assert.rejects(readModelFolder(model), { code: "model-not-found" });
  await writeTinyModel(model);
  await writeFile(config, "{");
  await assert.rejects(readModelFolder(model), { code: "bad-config", message: /config\.json: is not JSON/ });
  await rm(config);
  await assert.rejects(readModelFolder(model), { code: "missing-file", file: config });
  await mkdir(config);
  await assert.rejects(readModelFolder(model), { code: "missing-file", file: config });
  await assert.rejects(readModelFolder(join(model, "tags.json")), { code: "model-not-found" });
});
