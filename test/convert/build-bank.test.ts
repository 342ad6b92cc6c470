import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildBank } from "../../src/convert/build-bank.js";
import { TextEncoder } from "../../src/convert/text-encoder.js";
import { readBank } from "../../src/vocab/bank-file.js";
import { readDescriptions } from "../../src/vocab/descriptions.js";
import { descriptionsOf, type WordEncoder } from "../../src/vocab/tag-bank.js";
import { shared, sharedMissing } from "../shared-data.js";
import { temporaryFolder } from "../tiny-model-folder.js";

const rare = "data/ram-upstream/datasets/openimages_rare_200/openimages_rare_200_llm_tag_descriptions.json";
const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));

/** An encoder whose vectors tell the text, and that stops where it is told to. */
function counting(stopAfter = Infinity): WordEncoder & { readonly texts: string[] } {
  const texts: string[] = [];
  return {
    id: "c".repeat(64),
    width: 3,
    texts,
    encode: async (given) => {
      if (texts.length + given.length > stopAfter) throw new Error("stopped");
      texts.push(...given);
      return Float32Array.from(given.flatMap((text) => [text.length, text.charCodeAt(0), text.charCodeAt(text.length - 1)]));
    },
  };
}

test("200 rare categories with 51 descriptions: the build goes on where it was stopped, to the same bank", { skip: sharedMissing(rare) }, async () => {
  await using folder = await temporaryFolder();
  const descriptions = await readDescriptions(shared(rare));
  const file = join(folder.path, "rare.safetensors");
  const whole = await buildBank(join(folder.path, "whole.safetensors"), descriptions, counting());
  assert.equal(whole.tags.length, 200);
  assert.ok(whole.tags.every((tag) => descriptionsOf(whole, tag) === 51));
  await assert.rejects(buildBank(file, descriptions, counting(5000)), { message: "stopped" });
  assert.ok(!existsSync(file) && existsSync(`${file}.part`));
  // Killed in the midst of writing a row.
  const { size } = await stat(`${file}.part`);
  await truncate(`${file}.part`, size - 5);
  const second = counting();
  const told: number[] = [];
  const bank = await buildBank(file, descriptions, second, { onProgress: (done) => told.push(done) });
  assert.ok(told[0]! > 4000 && second.texts.length === 10_200 - told[0]!, `${told[0]} were kept, ${second.texts.length} encoded`);
  assert.deepEqual(bank.tags, whole.tags);
  assert.deepEqual((await readBank(file)).tags, whole.tags);
  assert.ok(!existsSync(`${file}.part`));
  // Other descriptions, or another encoder, begin anew.
  await assert.rejects(buildBank(file, descriptions.slice(1), counting(3000)), { message: "stopped" });
  const other = { ...counting(), id: "d".repeat(64) };
  const told2: number[] = [];
  await buildBank(file, descriptions.slice(1), other, { onProgress: (done) => told2.push(done) });
  assert.equal(told2[0], 0);
});

test("the reference's description embeddings, out of a bank that was built", { skip: sharedMissing("parity/clip_text_mini") }, async () => {
  await using folder = await temporaryFolder();
  await using encoder = await TextEncoder.load(shared("parity/clip_text_mini/model-hf.safetensors"));
  const descriptions = await readDescriptions(shared("parity/clip_text_mini/openset_llm_descriptions.json"));
  const bank = await buildBank(join(folder.path, "b.safetensors"), descriptions, encoder, { threshold: 0.25, zh: new Map([[descriptions[0]!.tag, "麦芽酒"]]) });
  assert.deepEqual(bank.tags.map(({ zh, threshold }) => [zh, threshold]), [["麦芽酒", 0.25], ...descriptions.slice(1).map(({ tag }) => [tag, 0.25])]);
  const { readSafetensorsFixture } = await import("../read-safetensors.js");
  const expected = readSafetensorsFixture(shared("parity/clip_text_mini/openset_embeddings.safetensors")).get("llm_embedding")!;
  const rows = bank.tags.flatMap((tag) => [...tag.rows]);
  assert.equal(rows.length, expected.data.length);
  rows.forEach((v, i) => assert.ok(Math.abs(v - Number(expected.data[i])) <= 5e-6));
});

test("vocab build of 200 x 51 as a process: progress is told, and a kill costs what was not yet kept", { skip: sharedMissing("parity/clip_text_mini") || sharedMissing(rare) }, async () => {
  await using folder = await temporaryFolder();
  const args = ["vocab", "build", "rare", "--descriptions", shared(rare), "--text-encoder", shared("parity/clip_text_mini/model-hf.safetensors")];
  const env = { ...process.env, RAMPLUS_BANKS: folder.path };
  const part = join(folder.path, "rare.safetensors.part");
  const run = (killAt: number): Promise<{ code: number | null; signal: string | null; out: string; err: string }> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [bin, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
      let [out, err] = ["", ""];
      child.stdout.on("data", (data) => (out += data));
      child.stderr.on("data", (data) => {
        err += data;
        if (Number(/(\d+) of 10200 descriptions\n$/.exec(err)?.[1] ?? 0) >= killAt) child.kill("SIGKILL");
      });
      child.on("error", reject);
      child.on("close", (code, signal) => resolve({ code, signal, out, err }));
    });
  const killed = await run(2000);
  assert.equal(killed.signal, "SIGKILL");
  assert.ok((await stat(part)).size > 2000 * 32 * 4);
  const finished = await run(Infinity);
  assert.equal(finished.code, 0, finished.err);
  const first = Number(/(\d+) of 10200/.exec(finished.err)![1]);
  assert.ok(first >= 2000, `went on at ${first}`);
  assert.match(finished.out, /200 tags, 10200 rows/);
  assert.ok(!existsSync(part));
  assert.equal((await readBank("rare", folder.path)).tags[199]!.rows.length, 51 * 32);
  assert.ok((await readFile(join(folder.path, "rare.safetensors"))).byteLength > 10_200 * 32 * 4);
});
