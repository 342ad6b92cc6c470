import sharp from "sharp";
import type { Pixels } from "./pixels.js";
import { resizeBilinear } from "./resize.js";

/** Side of a photo on a sheet, in pixels. */
export const sheetSide = 96;
const side = sheetSide;
/** Space between photos, in pixels. */
const gap = 4;

/** The name of a class or tag as part of a file's name: it may hold anything, and what no file system minds is kept. */
export const sheetName = (name: string): string => name.replace(/[^\p{L}\p{N} _-]/gu, "_").slice(0, 80);

/** A JPEG of photos side by side, each squashed to a square, `columns` in a row. */
export async function contactSheet(photos: readonly Pixels[], columns = 8): Promise<Uint8Array> {
  const rows = Math.max(1, Math.ceil(photos.length / columns));
  const [width, height] = [columns * (side + gap) + gap, rows * (side + gap) + gap];
  const sheet = new Uint8Array(width * height * 3).fill(255);
  photos.forEach((photo, i) => {
    const { data } = resizeBilinear(photo, side, side);
    const [left, top] = [gap + (i % columns) * (side + gap), gap + Math.floor(i / columns) * (side + gap)];
    for (let y = 0; y < side; y++) sheet.set(data.subarray(3 * y * side, 3 * (y + 1) * side), 3 * ((top + y) * width + left));
  });
  return sharp(sheet, { raw: { width, height, channels: 3 } }).jpeg({ quality: 85 }).toBuffer();
}
