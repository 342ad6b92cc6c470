import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import fc from "fast-check";
import sharp from "sharp";
import { decodeImage } from "../../src/image/decode.js";
import { ImageError } from "../../src/image/image-error.js";
import { withoutPackedText } from "../../src/image/png-text.js";
import { smallHeic as heic } from "./small-heic.js";

const samples = async (bytes: Uint8Array): Promise<number[]> => Array.from((await decodeImage({ bytes, name: "photo" })).data);

interface Bmp {
  readonly header?: number;
  readonly width?: number;
  readonly height?: number;
  readonly bits: number;
  readonly compression?: number;
  readonly masks?: readonly number[];
  readonly palette?: readonly (readonly [number, number, number])[];
  readonly pixels: readonly number[];
}

/** A BMP file of 3 x 2 pixels unless said otherwise; palette entries are R, G, B. */
function bmp({ header = 40, width = 3, height = 2, bits, compression = 0, masks = [], palette = [], pixels }: Bmp): Uint8Array {
  const entry = header === 12 ? 3 : 4;
  const behind = header === 40 ? masks.length * 4 : 0;
  const start = 14 + header + behind + palette.length * entry;
  const bytes = new Uint8Array(start + pixels.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]);
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, start, true);
  view.setUint32(14, header, true);
  if (header === 12) {
    [width, height, 1, bits].forEach((v, i) => view.setUint16(18 + i * 2, v, true));
  } else {
    view.setInt32(18, width, true);
    view.setInt32(22, height, true);
    view.setUint16(26, 1, true);
    view.setUint16(28, bits, true);
    view.setUint32(30, compression, true);
    view.setUint32(46, palette.length, true);
    masks.forEach((mask, i) => view.setUint32(54 + i * 4, mask, true));
  }
  palette.forEach(([r, g, b], i) => bytes.set([b, g, r], start - (palette.length - i) * entry));
  bytes.set(pixels, start);
  return bytes;
}

const [black, red, green, blue, white] = [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]] as const;
const palette = [black, red, green, blue, white];
/** What each of the files below shows: the upper row, then the lower one. */
const picture = [red, green, blue, white, black, red].flat();

const bmps: Readonly<Record<string, Bmp>> = {
  "8 bits": { bits: 8, palette, pixels: [4, 0, 1, 0, 1, 2, 3, 0] },
  "8 bits from the top": { bits: 8, height: -2, palette, pixels: [1, 2, 3, 0, 4, 0, 1, 0] },
  "8 bits, the last row's padding missing": { bits: 8, palette, pixels: [4, 0, 1, 0, 1, 2, 3] },
  "4 bits": { bits: 4, palette, pixels: [0x40, 0x10, 0, 0, 0x12, 0x30, 0, 0] },
  "4 bits, old header": { header: 12, bits: 4, palette: [...palette, ...Array.from({ length: 11 }, () => black)], pixels: [0x40, 0x10, 0, 0, 0x12, 0x30, 0, 0] },
  "16 bits": { bits: 16, pixels: [0xff, 0x7f, 0, 0, 0, 0x7c, 0, 0, 0, 0x7c, 0xe0, 0x03, 0x1f, 0, 0, 0] },
  "16 bits with masks": { bits: 16, compression: 3, masks: [0xf800, 0x7e0, 0x1f], pixels: [0xff, 0xff, 0, 0, 0, 0xf8, 0, 0, 0, 0xf8, 0xe0, 0x07, 0x1f, 0, 0, 0] },
  "24 bits": { bits: 24, pixels: [255, 255, 255, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 255, 0, 255, 0, 255, 0, 0, 0, 0, 0] },
  "32 bits, alpha of 0": { bits: 32, pixels: [255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0] },
  "32 bits with masks in a long header": {
    header: 108,
    bits: 32,
    compression: 3,
    masks: [0xff, 0xff00, 0xff0000, 0xff000000],
    pixels: [255, 255, 255, 9, 0, 0, 0, 9, 255, 0, 0, 9, 255, 0, 0, 9, 0, 255, 0, 9, 0, 0, 255, 9],
  },
  "runs of 8 bits": { bits: 8, compression: 1, palette, pixels: [1, 4, 1, 0, 1, 1, 0, 0, 0, 3, 1, 2, 3, 0, 0, 1] },
  "runs of 4 bits": { bits: 4, compression: 2, palette, pixels: [3, 0x40, 0, 2, 0, 0, 0, 0, 0, 3, 0x12, 0x30, 0, 1] },
  "runs with a jump over a black pixel": { bits: 8, compression: 1, palette, pixels: [1, 4, 0, 2, 1, 0, 1, 1, 0, 0, 0, 3, 1, 2, 3, 0, 0, 1] },
};

for (const [name, file] of Object.entries(bmps)) {
  test(`a BMP of ${name} has its pixels`, async () => {
    const expected = name === "runs of 4 bits" ? [red, green, blue, white, black, white].flat() : picture;
    assert.deepEqual(await samples(bmp(file)), expected);
  });
}

test("a BMP of 1 bit has its pixels", async () => {
  const file = bmp({ bits: 1, width: 10, height: 1, palette: [red, blue], pixels: [0b01010101, 0b01000000, 0, 0] });
  assert.deepEqual(await samples(file), Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? red : blue)).flat());
});

test("damaged and unsupported BMPs are errors", async () => {
  const whole = bmps["8 bits"]!;
  const bad = { "too short": { ...whole, pixels: [4, 0, 1] }, "unknown header": { ...whole, header: 44 }, "embedded JPEG": { ...whole, compression: 4 }, "3 bits": { ...whole, bits: 3 }, "runs without end": { ...whole, compression: 1, pixels: [3, 4] } };
  for (const [name, file] of Object.entries(bad)) await assert.rejects(samples(bmp(file)), { code: "image-corrupt" }, name);
  await assert.rejects(samples(bmp({ ...whole, width: 0 })), { code: "image-corrupt" });
  await assert.rejects(samples(bmp({ ...whole, width: 60_000, height: 60_000 })), { code: "image-too-large" });
});

const libheif = await import("libheif-js/wasm-bundle.js" as string).then(
  () => true,
  () => false,
);
const heicSkip = libheif ? false : "skipped: the optional libheif-js is not installed";

test("a HEIC photo has its colours, and its size is checked before it is decoded", { skip: heicSkip }, async () => {
  const { width, height, data } = await decodeImage({ bytes: heic, name: "photo.heic" });
  assert.deepEqual([width, height], [64, 48]);
  const corners = [[20, 160, 40], [200, 30, 90], [240, 230, 60], [30, 40, 200]];
  [[8, 8], [56, 8], [8, 40], [56, 40]].forEach(([x, y], i) => {
    const at = (y! * 64 + x!) * 3;
    corners[i]!.forEach((value, c) => assert.ok(Math.abs(data[at + c]! - value) <= 12, `corner ${i}: ${data.subarray(at, at + 3)}`));
  });
  await assert.rejects(decodeImage({ bytes: heic, name: "photo.heic" }, { maxPixels: 64 * 48 - 1 }), { code: "image-too-large" });
});

test("damaged HEIC and AVIF photos give pixels or an ImageError, and nothing is written to standard output", { skip: heicSkip }, async (t) => {
  const log = t.mock.method(console, "log", () => undefined);
  const avif = await sharp({ create: { width: 24, height: 18, channels: 3, background: "teal" } }).avif().toBuffer();
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(heic, avif), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }), fc.nat(), async (file, changes, cut) => {
      const bytes = new Uint8Array(file);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      try {
        const pixels = await decodeImage({ bytes: cut % 4 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes, name: "fuzz" }, { maxPixels: 1e6 });
        assert.equal(pixels.data.length, pixels.width * pixels.height * 3);
      } catch (error) {
        assert.ok(error instanceof ImageError, String(error));
      }
    }),
    { seed: 11, numRuns: 200 },
  );
  assert.equal(log.mock.callCount(), 0);
});

test("an AVIF photo has its colours", async () => {
  const bytes = await sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 200, g: 30, b: 90 } } }).avif({ quality: 95 }).toBuffer();
  (await samples(bytes)).forEach((value, i) => assert.ok(Math.abs(value - [200, 30, 90][i % 3]!) <= 3));
});

test("16-bit grey is clipped, 16-bit grey with alpha and 16-bit colour lose their low byte, in PNG and TIFF", async () => {
  const values = [5, 300, 255, 0x7fff];
  for (const channels of [1, 2, 3, 4] as const) {
    const alpha = channels % 2 === 0;
    const stored = Uint16Array.from({ length: values.length * channels }, (_, i) => (alpha && i % channels === channels - 1 ? 40_000 : values[Math.floor(i / channels)]!));
    const image = sharp(stored, { raw: { width: 4, height: 1, channels } }).toColourspace(channels < 3 ? "grey16" : "rgb16");
    const expected = values.flatMap((v) => new Array<number>(3).fill(channels === 1 ? Math.min(v, 255) : v >> 8));
    assert.deepEqual(await samples(await image.clone().png().toBuffer()), expected, `PNG, ${channels} channels`);
    assert.deepEqual(await samples(await image.clone().tiff({ compression: "none" }).toBuffer()), expected, `TIFF, ${channels} channels`);
  }
});

test("a GIF whose frame is larger than its screen is judged by the frame", async () => {
  const bytes = Uint8Array.from("GIF89a\x01\0\x01\0\x80\0\0\x10\x20\x30\xff\xff\xff,\0\0\0\0\x10\x27\x10\x27\0\x02\x02\x44\x01\0;", (c) => c.charCodeAt(0));
  await assert.rejects(decodeImage({ bytes, name: "photo" }, { maxPixels: 10_000 * 10_000 - 1 }), { code: "image-too-large" });
});

test("photos with a side over a million pixels are refused before they are decoded", async () => {
  for (const [width, height] of [[1_000_001, 1], [1, 1_000_001]] as const) await assert.rejects(samples(bmp({ bits: 8, compression: 1, width, height, palette, pixels: [0, 1] })), { code: "image-too-large" });
});

test("a drawing that is called a photo by its first bytes is not drawn", async () => {
  const bytes = Buffer.from(`    ftyp<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><!--avif--></svg>`);
  await assert.rejects(samples(bytes), { code: "image-corrupt" });
});

test("compressed texts and profiles of a PNG are not unpacked, and its pixels and orientation are as without them", async () => {
  const stored = Uint8Array.from({ length: 18 }, (_, i) => i * 14);
  // sharp writes a profile with the orientation.
  const plain = Buffer.from(withoutPackedText(await sharp(stored, { raw: { width: 3, height: 2, channels: 3 } }).withMetadata({ orientation: 6 }).png().toBuffer()));
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type), data, Buffer.alloc(4)]);
    bytes.writeUInt32BE(data.length, 0);
    bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
    return bytes;
  };
  const packed = Buffer.concat([Buffer.from("key\0\0"), deflateSync(Buffer.alloc(100_000))]);
  const more = Buffer.concat([plain.subarray(0, 33), chunk("iCCP", packed), chunk("zTXt", packed), plain.subarray(33)]);
  assert.deepEqual(withoutPackedText(more), plain);
  assert.equal(withoutPackedText(plain), plain);
  assert.equal(withoutPackedText(more.subarray(0, 60)).length, 60);
  assert.deepEqual(await decodeImage({ bytes: more, name: "photo" }), await decodeImage({ bytes: plain, name: "photo" }));
});

test("each EXIF orientation is undone", async () => {
  // 3 x 2 pixels: 0 1 2 / 3 4 5. Each row: what a person sees, by orientation 1 to 8, as width and order.
  const seen = [
    [3, "012345"],
    [3, "210543"],
    [3, "543210"],
    [3, "345012"],
    [2, "031425"],
    [2, "304152"],
    [2, "524130"],
    [2, "251403"],
  ] as const;
  const stored = Uint8Array.from({ length: 18 }, (_, i) => Math.floor(i / 3) * 40);
  for (const [i, [width, order]] of seen.entries()) {
    const bytes = await sharp(stored, { raw: { width: 3, height: 2, channels: 3 } }).withMetadata({ orientation: i + 1 }).png().toBuffer();
    const upright = await decodeImage({ bytes, name: "photo" });
    assert.deepEqual([upright.width, Array.from(upright.data)], [width, [...order].flatMap((digit) => new Array<number>(3).fill(Number(digit) * 40))], `orientation ${i + 1}`);
    assert.deepEqual((await decodeImage({ bytes, name: "photo" }, { orient: false })).data, stored);
  }
});

test("an aborted signal ends decoding with its reason", async () => {
  const bytes = bmp(bmps["8 bits"]!);
  const reason = new Error("no longer wanted");
  await assert.rejects(decodeImage({ bytes, name: "photo" }, { signal: AbortSignal.abort(reason) }), reason);
});

test("random bytes behind any format's signature, and damaged BMPs, give pixels or an ImageError", async () => {
  const signatures = ["", "\xff\xd8\xff", "\x89PNG\r\n\x1a\n", "GIF89a", "RIFF\0\0\0\0WEBP", "II*\0", "MM\0*", "BM", "\0\0\0\x18ftypavif", "<svg"].map((text) => Uint8Array.from(text, (c) => c.charCodeAt(0)));
  const random = fc.tuple(fc.constantFrom(...signatures), fc.uint8Array({ maxLength: 200 })).map(([head, rest]) => Uint8Array.of(...head, ...rest));
  const damaged = fc.tuple(fc.constantFrom(...Object.values(bmps)), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(20)).map(([file, changes, cut]) => {
    const bytes = bmp(file);
    for (const [at, value] of changes) bytes[2 + (at % (bytes.length - 2))] = value;
    return bytes.subarray(0, bytes.length - (cut > 10 ? 0 : cut));
  });
  await fc.assert(
    fc.asyncProperty(fc.oneof(random, damaged), async (bytes) => {
      try {
        const pixels = await decodeImage({ bytes, name: "fuzz" }, { maxPixels: 1e6 });
        assert.equal(pixels.data.length, pixels.width * pixels.height * 3);
      } catch (error) {
        assert.ok(error instanceof ImageError, String(error));
      }
    }),
    { seed: 13, numRuns: 1000 },
  );
});
