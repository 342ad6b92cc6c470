import type { Random } from "../tensor/random.js";
import type { Pixels } from "./pixels.js";
import { resizeBilinear } from "./resize.js";

export interface CropOptions {
  /** Share of the photo's area, from and to. */
  readonly area: readonly [number, number];
  /** Width over height, from and to. */
  readonly aspect: readonly [number, number];
}

/** As the reference trains. */
export const referenceCrop: CropOptions = { area: [0.2, 1], aspect: [3 / 4, 4 / 3] };

/** The part of a photo with its top left corner at (left, top). */
export function crop(pixels: Pixels, left: number, top: number, width: number, height: number): Pixels {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * pixels.width + left) * 3;
    data.set(pixels.data.subarray(from, from + width * 3), y * width * 3);
  }
  return { width, height, data };
}

/**
 * A random part of the photo, of random size and aspect, resized to `size` x `size`; the whole photo where none fits in ten
 * tries. Resized by the antialiased bilinear filter that tagging uses; the reference trains with a bicubic one.
 */
export function randomResizedCrop(pixels: Pixels, size: number, random: Random, { area, aspect }: CropOptions = referenceCrop): Pixels {
  for (let attempt = 0; attempt < 10; attempt++) {
    const target = pixels.width * pixels.height * (area[0] + (area[1] - area[0]) * random());
    const ratio = Math.exp(Math.log(aspect[0]) + (Math.log(aspect[1]) - Math.log(aspect[0])) * random());
    const [width, height] = [Math.round(Math.sqrt(target * ratio)), Math.round(Math.sqrt(target / ratio))];
    if (width < 1 || height < 1 || width > pixels.width || height > pixels.height) continue;
    const left = Math.floor(random() * (pixels.width - width + 1));
    const top = Math.floor(random() * (pixels.height - height + 1));
    return resizeBilinear(crop(pixels, left, top, width, height), size, size);
  }
  return resizeBilinear(pixels, size, size);
}

/** The photo as in a mirror. */
export function flipHorizontal({ width, height, data }: Pixels): Pixels {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [to, from] = [(y * width + x) * 3, (y * width + width - 1 - x) * 3];
      out[to] = data[from]!;
      out[to + 1] = data[from + 1]!;
      out[to + 2] = data[from + 2]!;
    }
  }
  return { width, height, data: out };
}
