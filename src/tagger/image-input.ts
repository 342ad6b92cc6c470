import { fileURLToPath } from "node:url";
import { decodeImage } from "../image/decode.js";
import type { Pixels } from "../image/pixels.js";
import { readImageFile } from "../image/read-image-file.js";
import { TaggerError } from "./tagger-error.js";

/** A photo: a path, a URL (file:, data:, http:, https:), the bytes of an image file, a Blob of them, or decoded pixels. */
export type ImageInput = string | URL | Uint8Array | ArrayBuffer | Blob | Pixels;

export interface LoadOptions {
  /** Turn the photo upright by its EXIF orientation; the reference does not. @default true */
  readonly orient?: boolean;
  readonly signal?: AbortSignal;
}

const isPixels = (image: ImageInput): image is Pixels => typeof image === "object" && "width" in image && "height" in image && "data" in image;

/** A name for messages: the path or URL, else what it is. */
export function imageName(image: ImageInput): string {
  if (typeof image === "string") return image;
  if (image instanceof URL) return image.protocol === "data:" ? "data: URL" : image.href;
  return isPixels(image) ? "pixels" : "image bytes";
}

/** Largest answer of a server that is read. */
const largestDownload = 256 * 1024 * 1024;

async function download(url: URL, signal?: AbortSignal): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url, signal === undefined ? {} : { signal });
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    throw new TaggerError("fetch-failed", `${imageName(url)}: cannot be fetched: ${(cause as Error).message}`, { cause });
  }
  if (!response.ok || response.body === null) throw new TaggerError("fetch-failed", `${imageName(url)}: the server answered ${response.status} ${response.statusText}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > largestDownload) throw new TaggerError("fetch-failed", `${imageName(url)}: is larger than ${largestDownload} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

async function readBytes(image: Exclude<ImageInput, Pixels>, signal?: AbortSignal): Promise<Uint8Array> {
  if (typeof image === "string") return readImageFile(image);
  if (image instanceof URL) return image.protocol === "file:" ? readImageFile(fileURLToPath(image)) : download(image, signal);
  if (image instanceof Uint8Array) return image;
  if (image instanceof ArrayBuffer) return new Uint8Array(image);
  return new Uint8Array(await image.arrayBuffer());
}

function checkPixels(pixels: Pixels): Pixels {
  const { width, height, data } = pixels;
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1 || !(data instanceof Uint8Array) || data.length !== width * height * 3) {
    throw new TaggerError("bad-image-input", `pixels of ${width} x ${height}: expected a Uint8Array of width * height * 3 samples (R, G, B), received ${data?.length ?? "none"}`);
  }
  return pixels;
}

/** Reads and decodes a photo. Throws an ImageError or TaggerError naming it. */
export async function loadPixels(image: ImageInput, { orient = true, signal }: LoadOptions = {}): Promise<Pixels> {
  signal?.throwIfAborted();
  if (image === null || (typeof image !== "string" && typeof image !== "object")) throw new TaggerError("bad-image-input", `an image is a path, URL, bytes, Blob or pixels; received ${typeof image}`);
  if (isPixels(image)) return checkPixels(image);
  const bytes = await readBytes(image, signal);
  return decodeImage({ bytes, name: imageName(image) }, signal === undefined ? { orient } : { orient, signal });
}
