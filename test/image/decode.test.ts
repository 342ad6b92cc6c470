import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import sharp from "sharp";
import { decodeImage } from "../../src/image/decode.js";
import { ImageError } from "../../src/image/image-error.js";
import type { Pixels } from "../../src/image/pixels.js";
import { readImageFile } from "../../src/image/read-image-file.js";
import { resizeBilinear } from "../../src/image/resize.js";
import { shared, sharedMissing } from "../shared-data.js";

async function png(file: string): Promise<Pixels> {
  const { data, info } = await sharp(file).removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

const read = async (path: string): Promise<Pixels> => decodeImage({ bytes: await readImageFile(path), name: path }, { orient: false });

test("every encoding of the photo gives the reference's pixels, to the byte", { skip: sharedMissing("parity/preprocess/files") }, async (t) => {
  const folder = shared("parity/preprocess/files");
  const cases = JSON.parse(readFileSync(`${folder}/cases.json`, "utf8")) as { file: string; pixels: string; resized96: string }[];
  assert.ok(cases.length >= 48);
  for (const c of cases) {
    await t.test(c.file, async () => {
      const pixels = await read(`${folder}/${c.file}`);
      const expected = await png(`${folder}/${c.pixels}`);
      assert.deepEqual([pixels.width, pixels.height], [expected.width, expected.height]);
      assert.equal(Buffer.compare(pixels.data, expected.data), 0);
      assert.equal(Buffer.compare(resizeBilinear(pixels, 96, 96).data, (await png(`${folder}/${c.resized96}`)).data), 0);
    });
  }
});

test("bad files give a coded error naming the file, and others are read", { skip: sharedMissing("parity/preprocess/bad") }, async (t) => {
  const folder = shared("parity/preprocess/bad");
  const cases = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8")) as { file: string; expect: string; also_accepted?: string }[];
  for (const c of cases) {
    await t.test(c.file, async () => {
      const path = `${folder}/${c.file}`;
      const outcome = await read(path).then(
        () => "ok",
        (error: unknown) => {
          assert.ok(error instanceof ImageError, String(error));
          assert.ok(error.message.startsWith(path));
          return "error";
        },
      );
      assert.ok(outcome === c.expect || outcome === c.also_accepted, `${outcome}, expected ${c.expect}`);
    });
  }
});

test("photos are turned upright unless asked otherwise", { skip: sharedMissing("parity/preprocess/files") }, async () => {
  const folder = shared("parity/preprocess/files/input");
  const bytes = readFileSync(`${folder}/jpeg_orient6.jpg`);
  const stored = await decodeImage({ bytes, name: "photo" }, { orient: false });
  const upright = await decodeImage({ bytes, name: "photo" });
  assert.deepEqual([upright.width, upright.height], [stored.height, stored.width]);
});

test("a photo larger than the limit is refused by its header", async () => {
  const bytes = await sharp({ create: { width: 40, height: 30, channels: 3, background: "red" } }).png().toBuffer();
  await assert.rejects(decodeImage({ bytes, name: "big.png" }, { maxPixels: 1199 }), { code: "image-too-large" });
  await decodeImage({ bytes, name: "big.png" }, { maxPixels: 1200 });
});

test("arbitrary and damaged bytes give pixels or an ImageError", async () => {
  const image = sharp({ create: { width: 24, height: 18, channels: 3, background: { r: 200, g: 30, b: 90 } } });
  const whole = await Promise.all([image.clone().jpeg().toBuffer(), image.clone().png().toBuffer(), image.clone().webp().toBuffer(), image.clone().gif().toBuffer(), image.clone().tiff().toBuffer()]);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), fc.nat(), async (which, changes, cut) => {
      const bytes = new Uint8Array(whole[which]!);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      const part = cut % 3 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes;
      try {
        const pixels = await decodeImage({ bytes: part, name: "fuzz" }, { maxPixels: 1e6 });
        assert.equal(pixels.data.length, pixels.width * pixels.height * 3);
      } catch (error) {
        assert.ok(error instanceof ImageError, String(error));
      }
    }),
    { seed: 7, numRuns: 300 },
  );
});
