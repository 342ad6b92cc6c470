import type { Pixels } from "./pixels.js";

/** The part of libheif-js that is used. */
interface HeifImage {
  get_width(): number;
  get_height(): number;
  display(target: { data: Uint8ClampedArray; width: number; height: number }, done: (result: unknown) => void): void;
  free?(): void;
}
interface Libheif {
  HeifDecoder: new () => { decode(bytes: Uint8Array): HeifImage[] };
}

/** libheif-js, or null where it is not installed. */
async function loadLibheif(): Promise<Libheif | null> {
  try {
    const specifier = "libheif-js/wasm-bundle.js";
    const module = (await import(specifier)) as { default?: Libheif } & Libheif;
    return module.default ?? module;
  } catch {
    return null;
  }
}

/** The first picture of a HEIC file, upright as the file says; null where libheif-js is not installed. Throws an Error for a broken file. */
export async function decodeHeic(bytes: Uint8Array, check: (width: number, height: number) => void): Promise<Pixels | null> {
  const libheif = await loadLibheif();
  if (libheif === null) return null;
  const images = new libheif.HeifDecoder().decode(bytes);
  const [image] = images;
  if (image === undefined) throw new Error("it holds no picture");
  try {
    const [width, height] = [image.get_width(), image.get_height()];
    check(width, height);
    const rgba = new Uint8ClampedArray(width * height * 4);
    await new Promise<void>((resolve, reject) => image.display({ data: rgba, width, height }, (result) => (result === null ? reject(new Error("its picture cannot be decoded")) : resolve())));
    const data = new Uint8Array(width * height * 3);
    for (let from = 0, to = 0; to < data.length; from += 4, to += 3) data.set(rgba.subarray(from, from + 3), to);
    return { width, height, data };
  } finally {
    for (const each of images) each.free?.();
  }
}
