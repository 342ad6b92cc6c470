import type { Random } from "../tensor/random.js";
import { rotate, shearX, shearY, translateX, translateY } from "./affine.js";
import type { Pixels } from "./pixels.js";
import { sharpness } from "./sharpness.js";
import { autoContrast, brightness, equalize } from "./tone.js";

/** The operations that the reference's training draws from. */
export const augmentOperations = ["Identity", "AutoContrast", "Brightness", "Sharpness", "Equalize", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"] as const;

export type AugmentOperation = (typeof augmentOperations)[number];

export interface AugmentOptions {
  /** Operations to draw from, with replacement. @default all */
  readonly operations?: readonly AugmentOperation[];
  /** Operations drawn for a photo. @default 2 */
  readonly count?: number;
  /** How probable it is that a drawn operation is carried out. @default 0.5 */
  readonly probability?: number;
  /** Strength, 0 to 10; at 5 brightness and sharpness do nothing. @default 5 */
  readonly level?: number;
}

/**
 * One operation at a strength of 0 to 10, in the direction of `sign` where it has one: shear by up to 0.3, translation by up
 * to 10 pixels, rotation by up to 30 degrees, brightness and sharpness times 0.1 to 1.9.
 */
export function applyOperation(pixels: Pixels, operation: AugmentOperation, level: number, sign: 1 | -1 = 1): Pixels {
  const strength = level / 10;
  switch (operation) {
    case "Identity":
      return pixels;
    case "AutoContrast":
      return autoContrast(pixels);
    case "Equalize":
      return equalize(pixels);
    case "Brightness":
      return brightness(pixels, strength * 1.8 + 0.1);
    case "Sharpness":
      return sharpness(pixels, strength * 1.8 + 0.1);
    case "ShearX":
      return shearX(pixels, sign * strength * 0.3);
    case "ShearY":
      return shearY(pixels, sign * strength * 0.3);
    case "TranslateX":
      return translateX(pixels, sign * strength * 10);
    case "TranslateY":
      return translateY(pixels, sign * strength * 10);
    case "Rotate":
      return rotate(pixels, sign * strength * 30);
  }
}

/** A photo changed by randomly drawn operations, as the reference trains; same size. The input is not written to. */
export function augment(pixels: Pixels, random: Random, { operations = augmentOperations, count = 2, probability = 0.5, level = 5 }: AugmentOptions = {}): Pixels {
  let result = pixels;
  for (let i = 0; i < count; i++) {
    // All three numbers are always drawn, so that what one operation draws does not shift the next.
    const operation = operations[Math.floor(random() * operations.length)];
    const carriedOut = random() < probability;
    const sign = random() < 0.5 ? -1 : 1;
    if (operation !== undefined && carriedOut) result = applyOperation(result, operation, level, sign);
  }
  return result;
}
