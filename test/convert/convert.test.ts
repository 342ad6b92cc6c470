import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CheckpointError } from "../../src/checkpoint/checkpoint-error.js";
import { writeSafetensors } from "../../src/checkpoint/write-safetensors.js";
import { convertCheckpoint, type ConvertOptions } from "../../src/convert/convert-checkpoint.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";

interface Expected {
  readonly photos: readonly { file: string; english: string; chinese: string }[];
}

async function inTemporaryFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ramplus-"));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const lists = (name: string): ConvertOptions => ({
  tags: shared(`parity/${name}/tags.txt`),
  tagsZh: shared(`parity/${name}/tags_zh.txt`),
  thresholds: shared(`parity/${name}/thresholds.txt`),
});

for (const [name, file, tolerance, options] of [
  ["ram_plus_mini", "checkpoint.pth", 1e-5, {}],
  ["ram_plus_mini", "checkpoint.safetensors", 1e-5, { imageSize: 96 }],
  ["ram_mini", "checkpoint.pth", 1e-5, {}],
  ["ram_mini", "checkpoint.safetensors", 1e-5, { imageSize: 64 }],
  ["vision_multi_names", "checkpoint-legacy.pth", 1e-5, { imageSize: 96, window: 6, heads: 2 }],
  ["vision_multi_names", "checkpoint.safetensors", 1e-5, { imageSize: 96, window: 6, heads: 2 }],
] as const) {
  test(`${name}, ${file}: a converted model gives the reference's scores and tag strings from the photos' files`, { skip: sharedMissing(`parity/${name}`) }, async () => {
    await inTemporaryFolder(async (folder) => {
      await convertCheckpoint(shared(`parity/${name}/${file}`), folder, { ...lists(name), ...options });
      await using tagger = await Tagger.load(folder);
      const expected = JSON.parse(readFileSync(shared(`parity/${name}/tags.json`), "utf8")) as Expected;
      const sigmoid = readSafetensorsFixture(shared(`parity/${name}/outputs.safetensors`)).get("sigmoid")!;
      const outcomes = await tagger.tagBatch(
        expected.photos.map((photo) => shared(`parity/ram_plus_mini/photos/${photo.file.split("/").at(-1)}`)),
        { orient: false, scores: true },
      );
      outcomes.forEach((outcome, i) => {
        assert.ok("result" in outcome);
        const { tags, scores } = outcome.result;
        const inOrder = [...tags].sort((a, b) => a.id - b.id);
        assert.equal(inOrder.map((tag) => tag.en).join(" | "), expected.photos[i]!.english);
        assert.equal(inOrder.map((tag) => tag.zh).join(" | "), expected.photos[i]!.chinese);
        scores!.forEach((score, id) => assert.ok(Math.abs(score - Number(sigmoid.data[i * tagger.tags.length + id])) <= tolerance, `photo ${i}, tag ${id}: ${score}`));
      });
    });
  });
}

test("every missing and misshapen tensor is reported at once", { skip: sharedMissing("parity/ram_plus_mini") }, async () => {
  await inTemporaryFolder(async (folder) => {
    const tensors = readSafetensorsFixture(shared("parity/ram_plus_mini/checkpoint.safetensors"));
    tensors.delete("fc.bias");
    tensors.set("visual_encoder.norm.weight", { dtype: "float32", shape: [2], data: new Float32Array(2) });
    tensors.set("surplus", { dtype: "float32", shape: [1], data: new Float32Array(1) });
    const broken = join(folder, "broken.safetensors");
    await writeSafetensors(
      broken,
      [...tensors].map(([name, tensor]) => ({ name, tensor })),
    );
    const failed = convertCheckpoint(broken, join(folder, "out"), { ...lists("ram_plus_mini"), imageSize: 96 });
    await assert.rejects(failed, (error: unknown) => error instanceof CheckpointError && error.faults.length === 3);
  });
});

test("half precision weights stay close to full precision", { skip: sharedMissing("parity/ram_plus_mini") }, async () => {
  await inTemporaryFolder(async (folder) => {
    await convertCheckpoint(shared("parity/ram_plus_mini/checkpoint.pth"), folder, { ...lists("ram_plus_mini"), dtypes: ["fp16"] });
    await using tagger = await Tagger.load(folder);
    const sigmoid = readSafetensorsFixture(shared("parity/ram_plus_mini/outputs.safetensors")).get("sigmoid")!;
    const { scores } = await tagger.tag(shared("parity/ram_plus_mini/photos/dogs.jpg"), { orient: false, scores: true });
    const expected = JSON.parse(readFileSync(shared("parity/ram_plus_mini/tags.json"), "utf8")) as Expected;
    const row = expected.photos.findIndex((photo) => photo.file.endsWith("dogs.jpg"));
    scores!.forEach((score, id) => assert.ok(Math.abs(score - Number(sigmoid.data[row * 60 + id])) < 5e-3));
  });
});
