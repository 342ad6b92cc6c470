import assert from "node:assert/strict";
import { test } from "node:test";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.js";
import { isIgnoredBuffer, publishedName, withPublishedNames } from "../../src/checkpoint/published-names.js";
import { toFloat32 } from "../../src/checkpoint/to-float32.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";
import { readAll } from "./temporary-folder.js";

const cases = [
  { file: "ram_plus_mini/checkpoint.pth", format: "torch-zip", ignored: true },
  { file: "ram_plus_mini/checkpoint.safetensors", format: "safetensors", ignored: false },
  { file: "ram_mini/checkpoint.pth", format: "torch-zip", ignored: true },
  { file: "ram_mini/checkpoint.safetensors", format: "safetensors", ignored: true },
  { file: "vision_multi_names/checkpoint.pth", format: "torch-zip", ignored: true },
  { file: "vision_multi_names/checkpoint-legacy.pth", format: "torch-legacy", ignored: true },
  { file: "vision_multi_names/checkpoint.safetensors", format: "safetensors", ignored: false },
] as const;

for (const { file, format, ignored } of cases) {
  const path = `parity/${file}`;
  test(`${file} gives the reference's weights, element by element`, { skip: sharedMissing(path) }, async () => {
    const expected = readSafetensorsFixture(shared(path.replace(/checkpoint.*/, "checkpoint.safetensors")));
    const checkpoint = await openCheckpoint(shared(path));
    await using _closed = checkpoint;
    assert.equal(checkpoint.format, format);
    assert.equal([...checkpoint.tensors.keys()].some(isIgnoredBuffer), ignored);
    const wanted = (names: Iterable<string>): string[] => [...names].filter((name) => !isIgnoredBuffer(name)).sort();
    assert.deepEqual(wanted(checkpoint.tensors.keys()), wanted(expected.keys()));
    for (const [name, reference] of expected) {
      const stored = checkpoint.tensors.get(name)!;
      const read = await stored.read();
      assert.equal(stored.name, name);
      assert.deepEqual([stored.dtype, stored.shape], [read.dtype, read.shape]);
      assert.deepEqual(read, reference, name);
    }
  });
}

test("tensors that share a storage are each read", { skip: sharedMissing("parity/ram_mini") }, async () => {
  const tensors = await readAll(shared("parity/ram_mini/checkpoint.pth"));
  const name = "encoder.layer.0.crossattention.self.key.weight";
  assert.deepEqual(tensors.get(`tag_encoder.${name}`), tensors.get(`tagging_head.${name}`));
});

test("indices of windows keep their integers", { skip: sharedMissing("parity/ram_plus_mini") }, async () => {
  const checkpoint = await openCheckpoint(shared("parity/ram_plus_mini/checkpoint.pth"));
  await using _closed = checkpoint;
  const index = await checkpoint.tensors.get("visual_encoder.layers.0.blocks.0.attn.relative_position_index")!.read();
  assert.equal(index.dtype, "int64");
  assert.deepEqual(index.shape, [36, 36]);
  // Query and key at the same place: the middle of a table of side 11.
  assert.equal(index.data[0], 60n);
});

test("the older names of the head become today's", { skip: sharedMissing("parity/vision_multi_names") }, async () => {
  assert.equal(publishedName("vision_multi.encoder.layer.0.output.dense.bias"), "tagging_head.encoder.layer.0.output.dense.bias");
  assert.equal(publishedName("fc.vision_multi.bias"), "fc.vision_multi.bias");
  const checkpoint = withPublishedNames(await openCheckpoint(shared("parity/vision_multi_names/checkpoint.pth")));
  await using _closed = checkpoint;
  const expected = readSafetensorsFixture(shared("parity/vision_multi_names/loaded.safetensors"));
  const names = [...checkpoint.tensors.keys()].filter((name) => !isIgnoredBuffer(name));
  assert.deepEqual(names.sort(), [...expected.keys()].sort());
  assert.deepEqual(await checkpoint.tensors.get("tagging_head.encoder.layer.0.intermediate.dense.weight")!.read(), expected.get("tagging_head.encoder.layer.0.intermediate.dense.weight"));
});

test("a checkpoint in half precision is widened exactly", { skip: sharedMissing("parity/clip_text_mini") }, async () => {
  const checkpoint = await openCheckpoint(shared("parity/clip_text_mini/model-hf.safetensors"));
  await using _closed = checkpoint;
  const half = await checkpoint.tensors.get("text_model.embeddings.token_embedding.weight")!.read();
  assert.equal(half.dtype, "float16");
  const wide = toFloat32(half);
  assert.equal(wide.dtype, "float32");
  assert.ok(wide.data.some((value) => value !== 0) && wide.data.every(Number.isFinite));
});

test("every floating type widens to the same values", () => {
  const values = [1, -0.5, 0, 2];
  const expected = Float32Array.from(values);
  assert.deepEqual(toFloat32({ dtype: "float64", shape: [4], data: Float64Array.from(values) }).data, expected);
  assert.deepEqual(toFloat32({ dtype: "float16", shape: [4], data: Uint16Array.of(0x3c00, 0xb800, 0, 0x4000) }).data, expected);
  assert.deepEqual(toFloat32({ dtype: "bfloat16", shape: [4], data: Uint16Array.of(0x3f80, 0xbf00, 0, 0x4000) }).data, expected);
  assert.equal(toFloat32({ dtype: "float32", shape: [4], data: expected }).data, expected);
});
