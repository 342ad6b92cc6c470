import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import sharp from "sharp";
import { rotate, shearX, shearY, transformAffine, translateX, translateY } from "../../src/image/affine.js";
import { applyOperation, augment, augmentOperations, type AugmentOperation } from "../../src/image/augment.js";
import { crop, flipHorizontal, randomResizedCrop } from "../../src/image/crop.js";
import type { Pixels } from "../../src/image/pixels.js";
import { sharpness } from "../../src/image/sharpness.js";
import { autoContrast, brightness, equalize } from "../../src/image/tone.js";
import { seededRandom } from "../../src/tensor/random.js";
import { shared, sharedMissing } from "../shared-data.js";

async function readPng(file: string): Promise<Pixels> {
  const { data, info } = await sharp(file).removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

const byArgument: Readonly<Record<AugmentOperation, (pixels: Pixels, argument: number) => Pixels>> = {
  Identity: (pixels) => pixels,
  AutoContrast: autoContrast,
  Equalize: equalize,
  Brightness: brightness,
  Sharpness: sharpness,
  ShearX: shearX,
  ShearY: shearY,
  TranslateX: translateX,
  TranslateY: translateY,
  Rotate: rotate,
};

interface Case {
  readonly input: string;
  readonly op: AugmentOperation;
  readonly level: number;
  readonly arguments: readonly [number?, unknown?];
  readonly expected: string;
  readonly intended?: string;
  readonly matrix_in_to_out?: readonly [readonly [number, number, number], readonly [number, number, number]];
}

test("every augmentation gives the reference's pixels, to the byte", { skip: sharedMissing("parity/augment") }, async (t) => {
  const folder = shared("parity/augment");
  const cases = JSON.parse(readFileSync(`${folder}/cases.json`, "utf8")) as Case[];
  assert.deepEqual(new Set(cases.map((c) => c.op)), new Set(augmentOperations));
  for (const c of cases) {
    await t.test(`${c.op} of ${c.input} ${c.arguments[0] ?? ""}`, async () => {
      const input = await readPng(`${folder}/${c.input}`);
      const expected = (await readPng(`${folder}/${c.intended ?? c.expected}`)).data;
      const before = input.data.slice();
      const argument = c.arguments[0] ?? 0;
      const { data } = byArgument[c.op](input, argument);
      assert.deepEqual(input.data, before, "the input was written to");
      if (c.op === "Sharpness") {
        // The reference wraps what is clipped here; nothing else may differ.
        const different = data.reduce((count, v, i) => count + (v !== expected[i] ? 1 : 0), 0);
        assert.ok(data.every((v, i) => v === expected[i] || v === 0 || v === 255));
        assert.ok(different < data.length * 0.08, `${different} of ${data.length} samples differ`);
      } else assert.equal(Buffer.compare(data, expected), 0);
      if (c.matrix_in_to_out !== undefined) {
        const [[a, b, x], [d, e, y]] = c.matrix_in_to_out;
        assert.equal(Buffer.compare(transformAffine(input, [a, b, x, d, e, y]).data, expected), 0, "by matrix");
      }
      // One case has an argument that no level gives; it is named so.
      if (c.expected.includes(`_l${c.level}`)) assert.deepEqual(applyOperation(input, c.op, c.level, argument < 0 ? -1 : 1).data, data);
    });
  }
});

const photo = (width: number, height: number, seed: number): Pixels => {
  const random = seededRandom(seed);
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => Math.floor(random() * 256)) };
};

test("the same seed gives the same augmentation, whatever the photo's size, and other seeds others", () => {
  for (const [width, height] of [[1, 1], [2, 2], [3, 1], [1, 40], [33, 17]] as const) {
    const input = photo(width, height, 3);
    const results = [1, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((seed) => augment(input, seededRandom(seed)));
    assert.deepEqual(results[0], results[1]);
    for (const result of results) assert.deepEqual([result.width, result.height, result.data.length], [width, height, width * height * 3]);
    if (width === 33) assert.ok(results.some((result) => Buffer.compare(result.data, results[0]!.data) !== 0));
  }
});

test("an augmentation of probability 0 changes nothing, and one of probability 1 always carries its operation out", () => {
  const input = photo(20, 16, 4);
  assert.equal(augment(input, seededRandom(1), { probability: 0 }), input);
  const rotated = augment(input, seededRandom(1), { probability: 1, count: 1, operations: ["Rotate"], level: 10 });
  assert.ok([30, -30].some((degrees) => Buffer.compare(rotate(input, degrees).data, rotated.data) === 0));
});

test("photos of one colour stay as they are where contrast has no meaning", () => {
  const input: Pixels = { width: 30, height: 20, data: new Uint8Array(1800).fill(77) };
  assert.deepEqual(autoContrast(input).data, input.data);
  assert.deepEqual(equalize(input).data, input.data);
  assert.deepEqual(sharpness(input, 1.9).data, input.data);
});

test("a mirrored photo mirrored again is the photo, and its columns are in reverse order", () => {
  const input = photo(7, 5, 5);
  assert.deepEqual(flipHorizontal(flipHorizontal(input)), input);
  assert.deepEqual(crop(flipHorizontal(input), 0, 0, 1, 5), crop(input, 6, 0, 1, 5));
});

test("a random crop has the wanted size for photos of any shape, and the same for the same seed", () => {
  for (const [width, height] of [[1, 1], [1, 300], [300, 1], [50, 40]] as const) {
    const input = photo(width, height, 6);
    const cropped = randomResizedCrop(input, 16, seededRandom(9));
    assert.deepEqual([cropped.width, cropped.height, cropped.data.length], [16, 16, 768]);
    assert.deepEqual(randomResizedCrop(input, 16, seededRandom(9)), cropped);
  }
});

test("a crop of the whole area and the photo's own aspect is the photo resized", () => {
  const input = photo(24, 24, 7);
  assert.deepEqual(randomResizedCrop(input, 24, seededRandom(1), { area: [1, 1], aspect: [1, 1] }), input);
});
