import sharp from "sharp";
import type { Pixels } from "./pixels.js";

/** A photo as a small JPEG file, at most `side` pixels high and wide. */
export async function thumbnail({ data, width, height }: Pixels, side: number): Promise<Uint8Array> {
  return sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false }).resize({ width: side, height: side, fit: "inside", withoutEnlargement: true }).jpeg({ quality: 70 }).toBuffer();
}
