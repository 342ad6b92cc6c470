import sharp, { type Sharp } from "sharp";
import { decodeBmp } from "./decode-bmp.js";
import { decodeHeic } from "./decode-heic.js";
import { readGifFirstFrame } from "./gif-palette.js";
import { ImageError } from "./image-error.js";
import type { Pixels } from "./pixels.js";
import { withoutPackedText } from "./png-text.js";
import { sniffFormat, sniffOther, type ImageFormat } from "./sniff.js";

/** An image file's content, and a name for messages. */
export interface EncodedImage {
  readonly bytes: Uint8Array;
  readonly name: string;
}

export interface DecodeOptions {
  /** Turn the photo upright by its EXIF orientation; the reference does not. @default true */
  readonly orient?: boolean;
  /** Larger photos, and those with a side over 1,000,000 pixels, are refused by their header, before memory is taken. @default 178,956,970, the reference's limit */
  readonly maxPixels?: number;
  /** Asked before decoding and after it; a decoder at work is not stopped. */
  readonly signal?: AbortSignal;
}

/** Pixels of one side, as libpng has it: resizing the largest photo of a single column takes minutes. */
const longestSide = 1_000_000;

/** Twice Pillow's warning limit, where the reference refuses. */
export const largestPhoto = 178_956_970;

/**
 * Decodes a photo to 8-bit RGB as the reference sees it: first frame; alpha dropped, never composed; colour profile and gamma
 * ignored. The format is told by content. Throws an ImageError naming the file, and the signal's reason once that is aborted.
 */
export async function decodeImage({ bytes, name }: EncodedImage, { orient = true, maxPixels = largestPhoto, signal }: DecodeOptions = {}): Promise<Pixels> {
  signal?.throwIfAborted();
  const pixels = await decode(bytes, name, orient, maxPixels);
  signal?.throwIfAborted();
  return pixels;
}

async function decode(bytes: Uint8Array, name: string, orient: boolean, maxPixels: number): Promise<Pixels> {
  if (bytes.length === 0) throw new ImageError("image-empty", name, "is empty");
  const format = sniffFormat(bytes);
  if (format === null) {
    const other = sniffOther(bytes);
    if (other !== null) throw new ImageError("image-unsupported-format", name, `is ${other}; photos are read as JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF and HEIC`);
    throw new ImageError("image-unknown-format", name, "is not an image that can be read (JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, HEIC)");
  }
  const check = (width: number, height: number): void => {
    if (!(width > 0 && height > 0)) throw new ImageError("image-corrupt", name, `declares a size of ${width} x ${height} pixels`);
    if (Math.max(width, height) > longestSide) throw new ImageError("image-too-large", name, `has ${width} x ${height} pixels; at most ${longestSide} on a side are read`);
    if (width * height > maxPixels) throw new ImageError("image-too-large", name, `has ${width} x ${height} pixels; at most ${maxPixels} are read`);
  };
  try {
    switch (format) {
      case "gif":
        return await decodeGif(bytes, check);
      case "bmp":
        return decodeBmp(bytes, check);
      case "heic": {
        const pixels = await decodeHeic(bytes, check);
        if (pixels === null) throw new ImageError("image-decoder-missing", name, "is a HEIC photo, which needs an optional part: npm install libheif-js");
        return pixels;
      }
      default:
        return await decodeWithSharp(bytes, format, orient, check);
    }
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw new ImageError("image-corrupt", name, `cannot be decoded (${format}): ${(cause as Error).message.split("\n")[0]}`, { cause });
  }
}

async function raw(image: Sharp, depth?: "ushort"): Promise<{ data: Buffer; width: number; height: number; channels: number }> {
  const { data, info } = await image.raw(depth === undefined ? undefined : { depth }).toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels };
}

async function decodeWithSharp(bytes: Uint8Array, format: ImageFormat, orient: boolean, check: (width: number, height: number) => void): Promise<Pixels> {
  // The limit is checked here by the header; sharp's own would word it differently.
  const source = sharp(format === "png" ? withoutPackedText(bytes) : bytes, { ignoreIcc: true, limitInputPixels: false });
  const { width, height, space, depth, channels, format: found } = await source.metadata();
  // sharp looks for itself, and would take some files for drawings.
  if (found !== (format === "avif" ? "heif" : format)) throw new Error(`its content is that of another format, ${found}`);
  check(width, height);
  const image = orient ? source.autoOrient() : source;
  if (space === "cmyk") return fromCmyk(await raw(image.pipelineColourspace("cmyk").toColourspace("cmyk")));
  // A PNG of kind 0 is grey without alpha; its colour key, which sharp makes an alpha channel of, is ignored.
  const grey = format === "png" ? bytes[25] === 0 : channels === 1;
  if (depth === "ushort" && grey) return fromGrey16(await raw(image.removeAlpha().toColourspace("grey16"), "ushort"));
  const { data, ...size } = await raw(image.removeAlpha().toColourspace("srgb"));
  return { width: size.width, height: size.height, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** The first frame with every pixel in its palette colour: transparent ones and those outside of the frame too. */
async function decodeGif(bytes: Uint8Array, check: (width: number, height: number) => void): Promise<Pixels> {
  check(bytes[6]! | (bytes[7]! << 8), bytes[8]! | (bytes[9]! << 8));
  const { left, top, right, bottom, fill } = readGifFirstFrame(bytes);
  const image = sharp(bytes, { limitInputPixels: false });
  // The decoder enlarges the screen to the largest frame.
  const seen = await image.metadata();
  check(seen.width, seen.height);
  const { data, width, height } = await raw(image.toColourspace("srgb").ensureAlpha());
  // Written over what is read, which is always ahead: the largest photo's samples are not held twice.
  const out = new Uint8Array(data.buffer, data.byteOffset, width * height * 3);
  for (let y = 0, from = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, from += 4, to += 3) {
      const covered = x >= left && x < right && y >= top && y < bottom && data[from + 3]! > 0;
      for (let c = 0; c < 3; c++) out[to + c] = covered ? data[from + c]! : fill[c]!;
    }
  }
  return { width, height, data: out };
}

/** R = round((255 - C)(255 - K) / 255), as the reference; no profile. */
function fromCmyk({ data, width, height, channels }: { data: Buffer; width: number; height: number; channels: number }): Pixels {
  const out = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < out.length; from += channels, to += 3) {
    const light = 255 - data[from + 3]!;
    for (let c = 0; c < 3; c++) out[to + c] = Math.round(((255 - data[from + c]!) * light) / 255);
  }
  return { width, height, data: out };
}

/** 16-bit grey is clipped at 255, not scaled: the reference does so, and its numbers depend on it. */
function fromGrey16({ data, width, height, channels }: { data: Buffer; width: number; height: number; channels: number }): Pixels {
  const samples = new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
  const out = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) out.fill(Math.min(samples[i * channels]!, 255), i * 3, i * 3 + 3);
  return { width, height, data: out };
}
