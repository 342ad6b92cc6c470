import { fileURLToPath } from "node:url";
import { decodeImage } from "../image/decode.js";
import type { Pixels } from "../image/pixels.js";
import { readImageFile } from "../image/read-image-file.js";
import { download } from "./download.js";
import { TaggerError } from "./tagger-error.js";

/** A photo: a path, a URL (file:, data:, http:, https:), the bytes of an image file, a Blob of them, or decoded pixels. */
export type ImageInput = string | URL | Uint8Array | ArrayBuffer | Blob | Pixels;

export interface LoadOptions {
  /** Turn the photo upright by its EXIF orientation; the reference does not. @default true */
  readonly orient?: boolean;
  readonly signal?: AbortSignal;
}

const isPixels = (image: ImageInput): image is Pixels => typeof image === "object" && image !== null && "width" in image && "height" in image && "data" in image;

/** A name for messages: the path, the URL or the name of a File, else what it is. */
export function imageName(image: ImageInput): string {
  if (typeof image === "string") return image;
  if (image instanceof URL) return image.protocol === "data:" ? "data: URL" : image.href;
  if (isPixels(image)) return "pixels";
  // File is a global from Node 20 on; a Blob has no name.
  return image instanceof Blob && "name" in image && typeof image.name === "string" ? image.name : "image bytes";
}

/** The bytes of a photo's file; null for pixels. Throws an ImageError or TaggerError naming it. */
export async function photoBytes(image: ImageInput, signal?: AbortSignal): Promise<Uint8Array | null> {
  signal?.throwIfAborted();
  return isPixels(image) ? null : readBytes(image, signal);
}

async function readBytes(image: Exclude<ImageInput, Pixels>, signal?: AbortSignal): Promise<Uint8Array> {
  if (typeof image === "string") return readImageFile(image);
  if (image instanceof URL) return image.protocol === "file:" ? readImageFile(pathOf(image)) : download(image, imageName(image), signal);
  if (image instanceof Uint8Array) return image;
  if (image instanceof ArrayBuffer) return new Uint8Array(image);
  if (image instanceof Blob) return new Uint8Array(await image.arrayBuffer());
  throw new TaggerError("bad-image-input", `an image is a path, a URL, bytes, a Blob or pixels; received ${image === null ? "null" : typeof image}`);
}

function pathOf(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new TaggerError("bad-image-input", `${url.href}: names no local file: ${(cause as Error).message}`, { cause });
  }
}

function checkPixels(pixels: Pixels): Pixels {
  const { width, height, data } = pixels;
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1 || !(data instanceof Uint8Array) || data.length !== width * height * 3) {
    throw new TaggerError("bad-image-input", `pixels of ${width} x ${height}: expected a Uint8Array of width * height * 3 samples (R, G, B), received ${data?.length ?? "none"}`);
  }
  return pixels;
}

/** Decodes a photo whose bytes were read (`photoBytes`). Throws an ImageError or TaggerError naming it. */
export async function decodePhoto(image: ImageInput, bytes: Uint8Array | null, { orient = true, signal }: LoadOptions = {}): Promise<Pixels> {
  signal?.throwIfAborted();
  if (isPixels(image)) return checkPixels(image);
  if (bytes === null) throw new TaggerError("bad-image-input", `${imageName(image)}: its bytes are missing`);
  return decodeImage({ bytes, name: imageName(image) }, signal === undefined ? { orient } : { orient, signal });
}
