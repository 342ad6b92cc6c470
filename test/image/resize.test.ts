import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import sharp from "sharp";
import { normalise } from "../../src/image/normalise.js";
import type { Pixels } from "../../src/image/pixels.js";
import { resizeBilinear } from "../../src/image/resize.js";
import { readSafetensorsFixture } from "../read-safetensors.js";
import { shared, sharedMissing } from "../shared-data.js";

async function readPng(file: string): Promise<Pixels> {
  const { data, info } = await sharp(file).removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

test("every byte of every resize equals the reference's, and every tensor", { skip: sharedMissing("parity/preprocess/resize") }, async () => {
  const folder = shared("parity/preprocess/resize");
  const cases = JSON.parse(readFileSync(`${folder}/cases.json`, "utf8")) as { input: string; size: number; expected: string; tensor?: string }[];
  const tensors = readSafetensorsFixture(`${folder}/tensors.safetensors`);
  assert.ok(cases.length > 10);
  let compared = 0;
  for (const c of cases) {
    const resized = resizeBilinear(await readPng(`${folder}/${c.input}`), c.size, c.size);
    const expected = await readPng(`${folder}/${c.expected}`);
    assert.equal(Buffer.compare(resized.data, expected.data), 0, `${c.input} to ${c.size}`);
    if (c.tensor === undefined) continue;
    compared++;
    const tensor = normalise(resized, { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
    assert.deepEqual(tensor, tensors.get(c.tensor)!.data, c.tensor);
  }
  assert.ok(compared > 0);
});

test("a photo of the wanted size is copied", () => {
  const photo: Pixels = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  const copy = resizeBilinear(photo, 2, 1);
  assert.deepEqual(copy, photo);
  assert.notEqual(copy.data, photo.data);
});

test("a photo of hundreds of thousands of rows is resized in parts, to the same bytes", () => {
  const [width, height, side] = [2, 450_000, 100];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) >> 5);
  const tall = resizeBilinear({ width, height, data }, side, side);
  // Columns first resized alone, then rows: the two passes one after the other.
  const wide = resizeBilinear({ width, height, data }, side, height);
  assert.equal(Buffer.compare(tall.data, resizeBilinear(wide, side, side).data), 0);
});
