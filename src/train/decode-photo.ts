import { decodeImage } from "../image/decode.js";
import type { Pixels } from "../image/pixels.js";
import type { TrainingPhoto } from "./photo-store.js";

/** The pixels of a training photo, upright. Throws an ImageError naming it when it cannot be read. */
export async function decodePhoto(photo: TrainingPhoto): Promise<Pixels> {
  return decodeImage({ bytes: await photo.read(), name: photo.name });
}
