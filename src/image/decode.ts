import sharp from "sharp";
import type { Pixels } from "./pixels.js";

export async function decodeImage(source: { readonly bytes: Uint8Array; readonly name: string }, options: { readonly orient?: boolean } = {}): Promise<Pixels> {
  const image = sharp(source.bytes, { ignoreIcc: true });
  const upright = options.orient === false ? image : image.rotate();
  const { data, info } = await upright.removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}
