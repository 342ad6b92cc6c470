import sharp from "sharp";
import { decodeImage } from "./decode.js";
import { heicDecoderInstalled } from "./decode-heic.js";

/** The decoders of photos as they are installed. */
export interface DecoderReport {
  readonly sharp: string;
  readonly libvips: string;
  /** Formats of photos that can be read, in the words of this package. */
  readonly formats: readonly string[];
  /** HEIC photos can be read (the optional libheif-js is installed). */
  readonly heic: boolean;
}

/** What reads photos here; a small JPEG is written and read back to see that it works. Throws an Error where it does not. */
export async function inspectDecoders(): Promise<DecoderReport> {
  const jpeg = await sharp({ create: { width: 16, height: 8, channels: 3, background: { r: 200, g: 100, b: 50 } } }).jpeg().toBuffer();
  const { width, height, data } = await decodeImage({ bytes: jpeg, name: "a test photo" });
  if (width !== 16 || height !== 8 || Math.abs(data[0]! - 200) > 4) throw new Error(`a JPEG of 16 x 8 pixels was read as ${width} x ${height}, first sample ${data[0]}`);
  const heic = await heicDecoderInstalled();
  const read = (id: keyof typeof sharp.format): boolean => sharp.format[id]?.input.buffer === true;
  const known = ([["jpeg", "JPEG"], ["png", "PNG"], ["webp", "WebP"], ["gif", "GIF"], ["tiff", "TIFF"], ["heif", "AVIF"]] as const).flatMap(([id, name]) => (read(id) ? [name] : []));
  return { sharp: sharp.versions.sharp ?? "unknown", libvips: sharp.versions.vips, formats: [...known, "BMP", ...(heic ? ["HEIC"] : [])], heic };
}
