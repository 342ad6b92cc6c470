import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.js";
import { toFloat32 } from "../../src/checkpoint/to-float32.js";
import { convertCheckpoint } from "../../src/convert/convert-checkpoint.js";
import { EvalError } from "../../src/eval/eval-error.js";
import { evaluateFolder } from "../../src/eval/evaluate-folder.js";
import { Tagger } from "../../src/tagger/tagger.js";
import type { TagBank } from "../../src/vocab/tag-bank.js";
import { shared, sharedMissing } from "../shared-data.js";
import { temporaryFolder } from "../tiny-model-folder.js";

test("a bank is measured by its own names as the model's tags are; its scores are not mixed with those of another", { skip: sharedMissing("parity/ram_plus_mini") }, async () => {
  await using root = await temporaryFolder();
  const [parity, model] = [(name: string): string => shared(`parity/ram_plus_mini/${name}`), join(root.path, "model")];
  await convertCheckpoint(parity("checkpoint.safetensors"), model, { tags: parity("tags.txt"), tagsZh: parity("tags_zh.txt"), thresholds: parity("thresholds.txt"), imageSize: 96 });
  await using tagger = await Tagger.load(model);
  await using checkpoint = await openCheckpoint(parity("checkpoint.safetensors"));
  const table = toFloat32(await checkpoint.tensors.get("label_embed")!.read());
  const each = table.data.length / tagger.tags.length;
  const names = tagger.tags.slice(0, 3).map(({ en }) => en);
  const tags = names.map((_, i) => ({ en: `new ${i}`, zh: "", threshold: tagger.tags[i]!.threshold, rows: Float32Array.from(table.data.slice(i * each, (i + 1) * each)) }));
  const bank: TagBank = { name: "renamed", width: table.shape[1]!, origin: { kind: "text-encoder", id: "e".repeat(64) }, tags };

  const photos = (await readdir(parity("photos"))).filter((file) => /\.(jpg|png|webp)$/.test(file)).sort();
  const labels = async (name: (i: number) => string): Promise<string> => {
    const file = join(root.path, `labels-${name(0).replaceAll(/\W/g, "")}.json`);
    await writeFile(file, JSON.stringify(Object.fromEntries(photos.map((photo, i) => [photo, [name(i % 3)]]))));
    return file;
  };
  const own = await evaluateFolder(tagger, parity("photos"), await labels((i) => names[i]!));
  const out = join(root.path, "out");
  const renamed = await labels((i) => `new ${i}`);
  const banked = await evaluateFolder(tagger, parity("photos"), renamed, { choice: { banks: [bank] }, out });
  assert.deepEqual(banked.tags, own.tags.map((tag, i) => ({ ...tag, name: `new ${i}` })));
  await evaluateFolder(tagger, parity("photos"), renamed, { choice: { banks: [bank] }, out });

  const other: TagBank = { ...bank, tags: tags.map((tag) => ({ ...tag, rows: tag.rows.toReversed() })) };
  await assert.rejects(evaluateFolder(tagger, parity("photos"), renamed, { choice: { banks: [other] }, out }), (error: unknown) => error instanceof EvalError && error.code === "journal-mismatch" && /another model or other banks/.test(error.message));
});
