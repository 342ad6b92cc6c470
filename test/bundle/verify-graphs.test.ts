import assert from "node:assert/strict";
import { copyFile, mkdir, readFile, rename, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BundleError } from "../../src/bundle/bundle-error.js";
import { graphFiles, readModelFolder } from "../../src/bundle/model-folder.js";
import { verifyGraphs } from "../../src/bundle/verify-graphs.js";
import { AttributeProto_AttributeType as AttributeType, AttributeProtoSchema, ModelProtoSchema, TensorProto_DataLocation as DataLocation, TensorProtoSchema, type ModelProto, type TensorProto } from "../../src/onnx/onnx_pb.js";
import { RuntimeError } from "../../src/runtime/runtime-error.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { writeSmallModel } from "../small-model.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model-folder.js";

const verify = async (folder: string): Promise<Awaited<ReturnType<typeof verifyGraphs>>> => verifyGraphs(await readModelFolder(folder), "fp32");

/** Changes the protobuf of a graph's file. */
async function change(file: string, how: (model: ModelProto) => void): Promise<void> {
  const model = fromBinary(ModelProtoSchema, await readFile(file));
  how(model);
  await writeFile(file, toBinary(ModelProtoSchema, model));
}

function outside(location: string, offset: number | string = 0): TensorProto {
  const tensor = create(TensorProtoSchema, { name: "hostile", dims: [2n], dataType: 1, dataLocation: DataLocation.EXTERNAL });
  tensor.externalData = Object.entries({ location, offset, length: 8 }).map(([key, value]) => ({ $typeName: "onnx.StringStringEntryProto", key, value: String(value) }));
  return tensor;
}

test("a written model verifies; its weights are counted and not read", async () => {
  await using folder = await temporaryFolder();
  await writeSmallModel(folder.path);
  const files = graphFiles(folder.path, "fp32");
  const { vision, tagging, parameters, bytes } = await verify(folder.path);
  assert.deepEqual([vision.input.shape, vision.output.shape, tagging.input.shape, tagging.output.shape], [["batch", 3, 32, 32], ["batch", 2, 16], ["batch", 2, 16], ["batch", 6]]);
  assert.equal(parameters, vision.parameters + tagging.parameters);
  assert.ok(vision.parameters > 2e6 && tagging.parameters > 1e3, `${parameters}`);
  const sizes = await Promise.all([files.vision, `${files.vision}.data`, files.tagging, `${files.tagging}.data`].map(async (file) => (await stat(file)).size));
  assert.equal(bytes, sizes.reduce((a, b) => a + b));
  // Weights that cannot be read do no harm here: they are not.
  await writeFile(`${files.vision}.data`, Buffer.alloc(sizes[1]!));
  await verify(folder.path);
});

for (const location of ["../../etc/passwd", "../secret", "/etc/passwd", "..", ".", "", "inner/w.data", "C:\\secret", "..\\secret", "w.data\0", "\0", "\ufeffvision_model.onnx.data", "\ufffd", "*/_ORT_MEM_ADDR_/*", "file:///etc/passwd"]) {
  for (const where of ["initializer", "attribute"] as const) {
    test(`an ${where} whose data are said to lie in ${JSON.stringify(location)} is refused before ONNX Runtime opens the graph`, async () => {
      await using folder = await temporaryFolder();
      await writeTinyModel(join(folder.path, "model"));
      await writeFile(join(folder.path, "model", "secret"), "secret text");
      await change(graphFiles(join(folder.path, "model"), "fp32").tagging, ({ graph }) => {
        if (where === "initializer") graph!.initializer.push(outside(location));
        else graph!.node[0]!.attribute.push(create(AttributeProtoSchema, { name: "value", type: AttributeType.TENSOR, t: outside(location) }));
      });
      const refused = { name: "BundleError", code: "bad-graph", message: /tagging_model\.onnx: initializer hostile: its data are said to lie in .*only files of the folder onnx\/ itself/ };
      await assert.rejects(verify(join(folder.path, "model")), refused);
      await assert.rejects(Tagger.load(join(folder.path, "model")), refused);
    });
  }
}

for (const [what, tensors, message] of [
  ["an offset of 10^12", [outside("vision_model.onnx.data", 1e12)], /reaches to byte 1000000000008 of vision_model\.onnx\.data, which has \d+/],
  ["a data file that is not there", [outside("nowhere.data")], /nowhere\.data: cannot be read: ENOENT/],
  ["ranges that run into each other", [outside("vision_model.onnx.data", 0), { ...outside("vision_model.onnx.data", 4), name: "second" }], /hostile and second overlap/],
] as const) {
  test(`refused: ${what}`, async () => {
    await using folder = await temporaryFolder();
    await writeTinyModel(folder.path);
    const file = graphFiles(folder.path, "fp32").vision;
    await writeFile(`${file}.data`, Buffer.alloc(64));
    await change(file, ({ graph }) => graph!.initializer.push(...tensors));
    await assert.rejects(verify(folder.path), (error: unknown) => error instanceof BundleError && message.test(error.message));
  });
}

test("two names for the same bytes are no overlap", async () => {
  await using folder = await temporaryFolder();
  await writeTinyModel(folder.path);
  const file = graphFiles(folder.path, "fp32").vision;
  await writeFile(`${file}.data`, Buffer.alloc(16));
  await change(file, ({ graph }) => graph!.initializer.push(outside("vision_model.onnx.data", 8), { ...outside("vision_model.onnx.data", 8), name: "second" }));
  await verify(folder.path);
});

test("weights that are a link out of the folder, a folder or a pipe are refused; a link within is followed", { skip: process.platform === "win32" && "links need rights on Windows" }, async () => {
  await using folder = await temporaryFolder();
  const model = join(folder.path, "model");
  await writeSmallModel(model);
  const file = graphFiles(model, "fp32").vision;
  await rename(`${file}.data`, join(model, "onnx", "other"));
  await symlink("other", `${file}.data`);
  await verify(model);
  await rename(join(model, "onnx", "other"), join(folder.path, "other"));
  await rename(`${file}.data`, join(folder.path, "link"));
  await symlink("../../other", `${file}.data`);
  const refused = { code: "bad-graph", message: /vision_model\.onnx\.data: is a link out of the model folder/ };
  await assert.rejects(verify(model), refused);
  await assert.rejects(Tagger.load(model), refused);
  await rename(`${file}.data`, join(folder.path, "link-2"));
  await mkdir(`${file}.data`);
  await assert.rejects(verify(model), { code: "missing-file", message: /no regular file/ });
});

test("a graph that is itself a link out of the folder is refused", { skip: process.platform === "win32" && "links need rights on Windows" }, async () => {
  await using folder = await temporaryFolder();
  const model = join(folder.path, "model");
  await writeTinyModel(model);
  const { vision } = graphFiles(model, "fp32");
  await rename(vision, join(folder.path, "elsewhere.onnx"));
  await symlink(join(folder.path, "elsewhere.onnx"), vision);
  await assert.rejects(verify(model), { code: "bad-graph", message: /vision_model\.onnx: is a link out of the model folder; copy/ });
});

test("weights cut short are told with the tensor that they miss", async () => {
  await using folder = await temporaryFolder();
  await writeSmallModel(folder.path);
  await truncate(`${graphFiles(folder.path, "fp32").vision}.data`, 4096);
  await assert.rejects(verify(folder.path), { code: "bad-graph", message: /initializer \S+: reaches to byte \d+ of vision_model\.onnx\.data, which has 4096; download or copy/ });
});

for (const [what, file, json, message] of [
  ["another size of photos", "preprocessor_config.json", (c: { size: unknown }) => ({ ...c, size: { height: 16, width: 16 } }), /vision_model\.onnx: takes pixel_values \[batch, 3, 8, 8\], but preprocessor_config\.json makes \[batch, 3, 16, 16\]/],
  ["another number of tags", "tags.json", (c: unknown) => (c as unknown[]).slice(0, 4), /gives logits \[batch, 6\], but tags\.json names 4 tags/],
] as const) {
  test(`refused: ${what} than the graphs have`, async () => {
    await using folder = await temporaryFolder();
    await writeTinyModel(folder.path);
    const path = join(folder.path, file);
    await writeFile(path, JSON.stringify(json(JSON.parse(await readFile(path, "utf8")))));
    await assert.rejects(verify(folder.path), (error: unknown) => error instanceof BundleError && error.code === "bad-graph" && message.test(error.message));
  });
}

test("graphs of two models in one folder are refused", async () => {
  await using folder = await temporaryFolder();
  const [tiny, small] = [join(folder.path, "tiny"), join(folder.path, "small")];
  await writeTinyModel(tiny);
  await writeSmallModel(small);
  for (const suffix of ["", ".data"]) await copyFile(`${graphFiles(small, "fp32").tagging}${suffix}`, `${graphFiles(tiny, "fp32").tagging}${suffix}`);
  await assert.rejects(verify(tiny), { code: "bad-graph", message: /takes image_embeds \[batch, 2, 16\], but the vision graph gives \[batch, 1, 3\]/ });
});

test("keys of JSON that mean something to JavaScript mean nothing here, and none may come twice", async () => {
  await using folder = await temporaryFolder();
  await writeTinyModel(folder.path);
  const path = join(folder.path, "config.json");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace("{", '{ "__proto__": { "dtypes": ["q8"], "polluted": true }, "constructor": 1,').replace('"network": {}', '"network": { "__proto__": { "polluted": true } }'));
  const { config } = await readModelFolder(folder.path);
  assert.deepEqual([config.formatVersion, config.dtypes], [1, ["fp32"]]);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  await verify(folder.path);
  await writeFile(path, text.replace("{", '{ "format_version": 99,'));
  await assert.rejects(readModelFolder(folder.path), (error: unknown) => error instanceof BundleError && error.code === "bad-config");
});

test("a graph that only ONNX Runtime can find fault with is its error", async () => {
  await using folder = await temporaryFolder();
  await writeTinyModel(folder.path);
  await change(graphFiles(folder.path, "fp32").vision, ({ graph }) => {
    graph!.node[0]!.opType = "NoSuchOperator";
  });
  await verify(folder.path);
  await assert.rejects(Tagger.load(folder.path), (error: unknown) => error instanceof RuntimeError && error.code === "model-unusable");
});
