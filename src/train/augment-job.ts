import { augment } from "../image/augment.js";
import { flipHorizontal, randomResizedCrop, type CropOptions } from "../image/crop.js";
import { decodeImage } from "../image/decode.js";
import { normalise, type Normalisation } from "../image/normalise.js";
import { RamplusError } from "../error.js";
import { seededRandom } from "../tensor/random.js";

/** How photos become inputs of a training step. */
export interface Augmentation {
  /** Side of the square input, in pixels. */
  readonly size: number;
  readonly normalisation: Normalisation;
  readonly cropping: CropOptions;
  /** The reference's two random operations after crop and flip. */
  readonly operations: boolean;
}

/** A photo's file, and the seeds of what is random about it. */
export interface SeededPhoto {
  readonly name: string;
  /** Absent where the file could not be read: `problem` says why. */
  readonly bytes?: Uint8Array;
  readonly problem?: string;
  readonly seeds: readonly number[];
}

/** Augmented photos, and the rows of those that could not be read, which are left grey. */
export interface AugmentedPhotos {
  /** [photos, 3, size, size] */
  readonly data: Float32Array;
  readonly unreadable: readonly { readonly row: number; readonly message: string }[];
}

/** Decodes photos, crops and flips them at random, and normalises them. */
export async function augmentPhotos(photos: readonly SeededPhoto[], { size, normalisation, cropping, operations }: Augmentation): Promise<AugmentedPhotos> {
  const data = new Float32Array(photos.length * 3 * size * size);
  const unreadable: { row: number; message: string }[] = [];
  for (const [row, { name, bytes, problem, seeds }] of photos.entries()) {
    if (bytes === undefined) {
      unreadable.push({ row, message: problem ?? `${name}: cannot be read` });
      continue;
    }
    const random = seededRandom(...seeds);
    try {
      const cropped = randomResizedCrop(await decodeImage({ bytes, name }), size, random, cropping);
      const turned = random() < 0.5 ? flipHorizontal(cropped) : cropped;
      normalise(operations ? augment(turned, random) : turned, normalisation, data, row * 3 * size * size);
    } catch (error) {
      if (!(error instanceof RamplusError)) throw error;
      unreadable.push({ row, message: error.message });
    }
  }
  return { data, unreadable };
}
