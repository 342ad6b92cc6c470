import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import sharp from "sharp";
import { decodeImage } from "../../src/image/decode.js";
import { normalise } from "../../src/image/normalise.js";
import { readImageFile } from "../../src/image/read-image-file.js";
import { resizeBilinear } from "../../src/image/resize.js";
import { smallHeic } from "../image/small-heic.js";
import { shared, sharedMissing } from "../shared-data.js";
import { edges } from "./damage.js";
import { be32, bmp, bmpRow, extendedWebp, gif, jpegSegment, latin1, loopingExif, png, pngChunk, repairPng, stripTiff, tiff, withBoxes, withSegments } from "./image-files.js";
import type { FuzzPart, NamedInput, OriginalInput } from "./part.js";

/** A photo's whole way to the network. */
async function readPhoto(file: string, side: number, maxPixels?: number): Promise<void> {
  const bytes = await readImageFile(file);
  for (const orient of [true, false]) {
    const { width, height, data } = await decodeImage({ bytes, name: file }, { orient, ...(maxPixels !== undefined && { maxPixels }) });
    if (!(width > 0 && height > 0) || data.length !== width * height * 3) throw new Error(`${data.length} samples for ${width} x ${height} pixels`);
    const square = resizeBilinear({ width, height, data }, side, side);
    const planes = normalise(square, { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] });
    if (!planes.every((value) => value >= -1 && value <= 1)) throw new Error("samples out of range");
    // Bombs are large: once is enough.
    if (maxPixels === undefined) return;
  }
}

function edited(file: Buffer, edit: (bytes: Buffer) => unknown): Buffer {
  const bytes = Buffer.from(file);
  edit(bytes);
  return bytes;
}

const ramp = sharp(Uint8Array.from({ length: 24 * 20 * 3 }, (_, i) => (i * 7) % 256), { raw: { width: 24, height: 20, channels: 3 } });
const cmyk = async (): Promise<Buffer> => ramp.clone().toColourspace("cmyk").jpeg().toBuffer();

async function generated(format: string): Promise<OriginalInput[]> {
  const files: Record<string, () => Promise<Record<string, Uint8Array>>> = {
    jpeg: async () => ({ plain: await ramp.clone().jpeg().toBuffer(), progressive: await ramp.clone().jpeg({ progressive: true }).toBuffer(), turned: await ramp.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer(), CMYK: await cmyk() }),
    png: async () => ({ plain: await ramp.clone().png().toBuffer(), palette: await ramp.clone().png({ palette: true }).toBuffer(), "16 bits": await ramp.clone().toColourspace("rgb16").png().toBuffer(), interlaced: png(9, 7, { interlaced: true, content: Buffer.alloc(400) }), grey: png(9, 7, { colour: 0, depth: 2 }) }),
    webp: async () => ({ lossy: await ramp.clone().webp().toBuffer(), lossless: await ramp.clone().webp({ lossless: true }).toBuffer() }),
    gif: async () => ({ plain: await ramp.clone().gif().toBuffer(), frames: gif(5, 4, [[5, 4], [2, 2], [1, 1]]) }),
    tiff: async () => ({ plain: await ramp.clone().tiff({ compression: "none" }).toBuffer(), deflate: await ramp.clone().tiff({ compression: "deflate" }).toBuffer(), lzw: await ramp.clone().tiff({ compression: "lzw" }).toBuffer(), jpeg: await ramp.clone().tiff({ compression: "jpeg" }).toBuffer(), tiles: await ramp.clone().tiff({ tile: true, tileWidth: 16, tileHeight: 16, pyramid: true }).toBuffer(), CMYK: stripTiff(4, 4, 4, Buffer.alloc(64, 9), { photometric: 5 }) }),
    bmp: () => Promise.resolve({ "24 bits": bmp(5, 4, { bits: 24, pixels: Buffer.alloc(64, 3) }), runs: bmp(5, 1, { compression: 1, pixels: bmpRow(5) }), "4 bits": bmp(5, 4, { bits: 4, colours: 16, pixels: Buffer.alloc(16) }) }),
    avif: async () => ({ plain: await ramp.clone().avif({ effort: 1 }).toBuffer() }),
    heic: () => Promise.resolve({ plain: smallHeic }),
  };
  return Object.entries(await files[format]!()).map(([what, bytes]) => ({ what: `${format}, ${what}`, bytes }));
}

/** The small files that other decoders' bytes are known of. */
function sharedPhotos(prefix: string): OriginalInput[] {
  const folder = "parity/preprocess/files/input";
  if (sharedMissing(folder) !== false) return [];
  return readdirSync(shared(folder)).filter((name) => name.startsWith(prefix)).map((name) => ({ what: name, bytes: readFileSync(join(shared(folder), name)) }));
}

const hasHeic = ((): boolean => {
  try {
    createRequire(import.meta.url).resolve("libheif-js/wasm-bundle.js");
    return true;
  } catch {
    return false;
  }
})();

const size = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(...edges.filter((edge) => edge < 2n ** 32n).map(Number)));
const signed = size.map((value) => value | 0);
const content = fc.uint8Array({ maxLength: 120 });

/** Files of a format whose sizes, depths and kinds have nothing to do with their content. */
const structured: Readonly<Record<string, fc.Arbitrary<Uint8Array>>> = {
  png: fc.record({ width: size, height: size, depth: fc.constantFrom(1, 2, 4, 8, 16, 3), colour: fc.constantFrom(0, 2, 3, 4, 6, 1), interlaced: fc.boolean(), content, more: fc.array(fc.tuple(fc.constantFrom("PLTE", "tRNS", "iCCP", "eXIf", "zTXt", "acTL", "gAMA", "sBIT", "IHDR"), content).map(([type, data]) => pngChunk(type, data)), { maxLength: 2 }) }).map(({ width, height, ...options }) => png(width, height, options)),
  gif: fc.tuple(fc.nat(0xffff), fc.nat(0xffff), fc.array(fc.tuple(fc.nat(40), fc.nat(0xffff)), { maxLength: 3 })).map(([width, height, frames]) => gif(width, height, frames)),
  bmp: fc.tuple(signed, signed, fc.constantFrom(1, 4, 8, 16, 24, 32, 0, 2), fc.constantFrom(0, 1, 2, 3, 6, 4), content, fc.constantFrom(0, 2, 16, 256)).map(([width, height, bits, compression, pixels, colours]) => bmp(width, height, { bits, compression, pixels, colours })),
  tiff: fc.tuple(size, size, fc.constantFrom(1, 2, 3, 4, 5, 9), content, fc.constantFrom(1, 2, 5, 7, 8, 32773, 50000), fc.constantFrom(0, 1, 2, 3, 5, 6, 8), fc.constantFrom(1, 8, 16, 32, 64), fc.constantFrom(0, 8, 1, 0xffffffff)).map(([width, height, samples, data, compression, photometric, bits, next]) => stripTiff(width, height, samples, data, { compression, photometric, bits, next })),
  webp: fc.tuple(fc.integer({ min: 1, max: 2 ** 24 }), fc.integer({ min: 1, max: 2 ** 24 }), fc.nat(255), fc.array(fc.tuple(fc.constantFrom("ANIM", "ANMF", "VP8 ", "VP8L", "ALPH", "ICCP", "EXIF"), content), { maxLength: 4 })).map(([width, height, flags, chunks]) => extendedWebp(width, height, flags, chunks)),
};

/** A TIFF whose directory is followed by others, each of the same pixels. */
function chainedTiff(count: number): Buffer {
  const first = stripTiff(4, 4, 3, Buffer.alloc(48));
  const one = first.subarray(8, 8 + 6 + 12 * 9);
  const others = Array.from({ length: count }, (_, i) => {
    const copy = Buffer.from(one);
    copy.writeUInt32LE(i === count - 1 ? 0 : first.length + (i + 1) * one.length, one.length - 4);
    return copy;
  });
  first.writeUInt32LE(first.length, 8 + one.length - 4);
  return Buffer.concat([first, ...others]);
}

/** Files that are more, deeper or elsewhere than their format's reader expects; all of them small. */
async function namedPhotos(format: string): Promise<readonly NamedInput[]> {
  const plain = await ramp.clone().jpeg().toBuffer();
  const frame = Buffer.alloc(16, 0);
  const lists: Record<string, () => Promise<readonly NamedInput[]> | readonly NamedInput[]> = {
    jpeg: async () => {
      const progressive = await ramp.clone().jpeg({ progressive: true }).toBuffer();
      const scan = progressive.subarray(progressive.lastIndexOf(Buffer.from([0xff, 0xda])), -2);
      const fourChannels = await cmyk();
      const tables = jpegSegment(0xdb, Buffer.alloc(65, 1));
      return [
        { what: "a million markers", bytes: withSegments(plain, Buffer.alloc(4_000_000, Buffer.from([0xff, 0xfe, 0, 2]))), ends: "read" },
        { what: "nothing but markers", bytes: Buffer.concat([plain.subarray(0, 2), Buffer.alloc(4_000_000, Buffer.from([0xff, 0xfe, 0, 2]))]) },
        { what: "a hundred thousand tables", bytes: withSegments(plain, Buffer.alloc(tables.length * 100_000, tables)) },
        { what: "ten thousand scans", bytes: Buffer.concat([progressive.subarray(0, -2), Buffer.alloc(scan.length * 10_000, scan), progressive.subarray(-2)]) },
        { what: "65,500 x 65,500 pixels", bytes: edited(plain, (bytes) => be32(0xffdcffdc).copy(bytes, bytes.indexOf(Buffer.from([0xff, 0xc0])) + 5)), ends: "image-too-large" },
        ...[0, 1, 6, 8, 9, 65_535].map((orientation) => ({ what: `EXIF directories in a circle, orientation ${orientation}`, bytes: withSegments(plain, loopingExif(orientation)) })),
        { what: "a colour profile of 16 MB of nothing", bytes: withSegments(plain, ...Array.from({ length: 255 }, (_, i) => jpegSegment(0xe2, Buffer.concat([latin1("ICC_PROFILE\0"), Buffer.from([i + 1, 255]), Buffer.alloc(65_000)])))) },
        { what: "parts of a colour profile that are missing", bytes: withSegments(plain, jpegSegment(0xe2, Buffer.concat([latin1("ICC_PROFILE\0"), Buffer.from([200, 255]), Buffer.alloc(100)]))) },
        { what: "four channels, Adobe's marker unknown", bytes: edited(fourChannels, (bytes) => (bytes[bytes.indexOf("Adobe") + 11] = 77)) },
      ];
    },
    png: () => [
      { what: "200 MB of text that nobody reads", bytes: png(8, 8, { more: [1, 2, 3, 4].map((i) => pngChunk("zTXt", Buffer.concat([latin1(`k${i}\0\0`), deflateSync(Buffer.alloc(50_000_000), { level: 1 })]))) }), ends: "read" },
      { what: "a colour profile of 100 MB", bytes: png(8, 8, { more: [pngChunk("iCCP", Buffer.concat([latin1("k\0\0"), deflateSync(Buffer.alloc(100_000_000), { level: 1 })]))] }), ends: "read" },
      { what: "100 MB of pixels too many", bytes: png(8, 8, { content: Buffer.alloc(100_000_000) }) },
      { what: "pixels that are missing", bytes: png(900, 900, { content: Buffer.alloc(100) }), ends: "image-corrupt" },
      { what: "2^31 - 1 pixels wide", bytes: png(2 ** 31 - 1, 1, { content: Buffer.alloc(9) }) },
      { what: "a hundred thousand chunks", bytes: png(8, 8, { more: Array.from({ length: 100_000 }, () => pngChunk("tEXt", latin1("a\0b"))) }) },
      { what: "a palette of no colours", bytes: png(8, 8, { colour: 3, more: [pngChunk("PLTE", Buffer.alloc(0))] }), ends: "image-corrupt" },
    ],
    gif: () => [
      { what: "a screen of one pixel, a frame of 3000 x 3000", bytes: gif(1, 1, [[3000, 3000]]), ends: "image-too-large" },
      { what: "a later frame of 60,000 x 60,000", bytes: gif(3, 3, [[3, 3], [60_000, 60_000]]) },
      { what: "a hundred thousand frames", bytes: gif(8, 8, Array.from({ length: 100_000 }, () => [8, 8] as const)), ends: "read" },
      { what: "a comment without end", bytes: Buffer.concat([gif(8, 8, []).subarray(0, 19), latin1("!\xfe"), Buffer.alloc(1_000_000, Buffer.concat([Buffer.from([255]), Buffer.alloc(255, 1)]))]) },
    ],
    tiff: () => [
      { what: "a directory that is followed by itself", bytes: stripTiff(4, 4, 3, Buffer.alloc(48), { next: 8 }) },
      { what: "five thousand directories", bytes: chainedTiff(5000), ends: "read" },
      { what: "sixty thousand directories", bytes: () => chainedTiff(60_000), slow: true },
      { what: "a tile of 40,000 x 40,000 for 8 x 8 pixels", bytes: tiff([[256, 4, [8]], [257, 4, [8]], [258, 3, [8]], [259, 3, [8]], [262, 3, [1]], [277, 3, [1]], [322, 4, [40_000]], [323, 4, [40_000]], [324, 4, [0]], [325, 4, [100]]], Buffer.alloc(100)) },
      { what: "a strip of 100 MB for 8 x 8 pixels", bytes: stripTiff(8, 8, 1, deflateSync(Buffer.alloc(100_000_000), { level: 1 }), { compression: 8, photometric: 1 }) },
      { what: "65,535 samples a pixel", bytes: stripTiff(4, 4, 65_535, Buffer.alloc(2000)) },
      { what: "nine samples a pixel", bytes: stripTiff(4, 4, 9, Buffer.alloc(144)) },
      { what: "two samples a pixel", bytes: stripTiff(4, 4, 2, Buffer.alloc(32), { photometric: 1 }) },
      { what: "CMYK and a fifth sample", bytes: stripTiff(4, 4, 5, Buffer.alloc(80), { photometric: 5 }) },
      { what: "ten million wide", bytes: stripTiff(10_000_000, 1, 1, Buffer.alloc(10), { photometric: 1 }) },
    ],
    webp: () => [
      { what: "a canvas of 16,384 x 16,384", bytes: extendedWebp(16_384, 16_384, 0, [["VP8L", Buffer.from([0x2f, 0, 0, 0, 0, 0])]]) },
      { what: "fifty thousand frames", bytes: extendedWebp(8, 8, 2, [["ANIM", Buffer.alloc(6)], ...Array.from({ length: 50_000 }, () => ["ANMF", frame] as const)]) },
      { what: "an SVG drawing", bytes: latin1("RIFFaaaaWEBP<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>") },
    ],
    bmp: () => [
      { what: "runs outside of the canvas", bytes: bmp(4, 4, { compression: 1, pixels: Buffer.from([255, 1, 0, 2, 255, 255, 9, 1, 0, 1]) }), ends: "read" },
      { what: "a jump without end", bytes: bmp(4, 4, { compression: 1, pixels: Buffer.alloc(4_000_000, Buffer.from([0, 2, 255, 0])) }), ends: "image-corrupt" },
      { what: "a negative width", bytes: bmp(-4, 4, { pixels: Buffer.alloc(16) }), ends: "image-corrupt" },
      { what: "a height of -2^31", bytes: bmp(1, -(2 ** 31), { pixels: Buffer.alloc(16) }), ends: "image-too-large" },
      { what: "a negative height", bytes: bmp(4, -4, { pixels: Buffer.alloc(16) }), ends: "read" },
      { what: "pixels before the header", bytes: edited(bmp(4, 4, { pixels: Buffer.alloc(16) }), (bytes) => bytes.writeUInt32LE(1, 10)) },
      { what: "bits of no number", bytes: bmp(4, 4, { bits: 0, pixels: Buffer.alloc(16) }), ends: "image-corrupt" },
    ],
    avif: async () => {
      const file = await ramp.clone().avif({ effort: 1 }).toBuffer();
      return [
        { what: "2^31 pixels wide", bytes: withBoxes(file, "ispe", be32(0, 2 ** 31, 2 ** 31)) },
        { what: "13,000 x 13,000 pixels that are not there", bytes: withBoxes(file, "ispe", be32(0, 1900, 1900)) },
        { what: "an SVG drawing by another name", bytes: latin1("    ftyp<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><!--avif--></svg>"), ends: "image-corrupt" },
      ];
    },
    heic: () => {
      const withGrid = (...content: readonly number[]): Buffer => withBoxes(smallHeic, "idat", Buffer.from(content));
      return [
        { what: "a grid of 256 x 256", bytes: withGrid(0, 0, 255, 255, 0, 64, 0, 48) },
        { what: "a grid of 65,500 x 65,500 pixels", bytes: withGrid(0, 0, 255, 255, 255, 255, 255, 255) },
        { what: "a grid larger than its picture", bytes: withGrid(0, 0, 0, 0, 255, 255, 0, 48) },
        { what: "a size of 2^32 - 1", bytes: withBoxes(smallHeic, "ispe", be32(0, 0xffffffff, 0xffffffff)) },
        { what: "a size of nothing", bytes: withBoxes(smallHeic, "ispe", be32(0, 0, 0)) },
        { what: "a turn by 255", bytes: withBoxes(smallHeic, "ipma", be32(0, 2, 1, 0x02810281)) },
      ];
    },
  };
  return lists[format]!();
}

/** Generated pictures are small, and so is what their damage may make of them. */
const smallPhoto = 2 ** 20;

function photoPart(format: string, runs: number, prefix: string | null): FuzzPart {
  return {
    name: format,
    fileName: `photo.${format}`,
    peak: 700,
    runs,
    named: () => namedPhotos(format),
    originals: async () => [...(await generated(format)), ...(prefix === null ? [] : sharedPhotos(prefix))],
    ...(structured[format] !== undefined && { structured: () => structured[format]! }),
    ...(format === "png" && { repair: repairPng }),
    read: (file) => readPhoto(file, 32, smallPhoto),
  };
}

/** As large as is read at all: what they take is the most that any photo takes. */
async function bombs(): Promise<readonly NamedInput[]> {
  return [
    { what: "a PNG 50,000 pixels wide", bytes: png(50_000, 3500), ends: "read" },
    { what: "a PNG of 50,000 x 50,000", bytes: png(50_000, 50_000, { content: Buffer.alloc(100) }), ends: "image-too-large" },
    { what: "a PNG of 16 bits and four channels", bytes: png(13_000, 13_000, { depth: 16, colour: 6, content: Buffer.alloc(13_000 * (13_000 * 8 + 1)) }), ends: "read" },
    { what: "a BMP of 178,000,000 x 1", bytes: bmp(178_000_000, 1, { compression: 1, pixels: bmpRow(178_000_000) }), ends: "image-too-large" },
    { what: "a BMP of 1 x 178,000,000", bytes: bmp(1, 178_000_000, { compression: 1, pixels: Buffer.from([0, 1]) }), ends: "image-too-large" },
    { what: "a BMP of 1,000,000 x 178", bytes: bmp(1_000_000, 178, { compression: 1, pixels: Buffer.from([0, 1]) }), ends: "read" },
    { what: "a BMP of 178 x 1,000,000", bytes: bmp(178, 1_000_000, { compression: 1, pixels: Buffer.from([0, 1]) }), ends: "read" },
    { what: "a PNG of 1 x 178,000,000", bytes: png(1, 178_000_000, { content: Buffer.alloc(1000) }) },
    { what: "a GIF of 16,000 x 16,000 on a screen of one pixel", bytes: gif(1, 1, [[16_000, 16_000]]), ends: "image-too-large" },
    { what: "a GIF of 13,000 x 13,000", bytes: gif(1, 1, [[13_000, 13_000]]) },
    { what: "a GIF that says 13,000 x 13,000", bytes: gif(13_000, 13_000, [[13_000, 13_000]]) },
  ];
}

/** The readers of photos, by format. */
export const imageParts: readonly FuzzPart[] = [
  photoPart("jpeg", 150, "jpeg_"),
  photoPart("png", 200, "png_"),
  photoPart("webp", 150, "webp_"),
  photoPart("gif", 100, "gif_"),
  photoPart("tiff", 200, "tiff_"),
  photoPart("bmp", 600, "bmp_"),
  photoPart("avif", 60, null),
  ...(hasHeic ? [photoPart("heic", 80, null)] : []),
  { name: "largest-photos", fileName: "photo.bin", peak: 3200, runs: 0, named: bombs, read: (file) => readPhoto(file, 384) },
];
