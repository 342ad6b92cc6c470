/** Formats told by their first bytes; a file's name never decides. */
export type ImageFormat = "jpeg" | "png" | "gif" | "webp" | "tiff" | "bmp" | "avif" | "heic";

const text = (bytes: Uint8Array, start: number, end: number): string => String.fromCharCode(...bytes.subarray(start, end));
const starts = (bytes: Uint8Array, ...prefix: number[]): boolean => prefix.every((byte, i) => bytes[i] === byte);

/** The format of an image file by its content, or null. */
export function sniffFormat(bytes: Uint8Array): ImageFormat | null {
  if (starts(bytes, 0xff, 0xd8, 0xff)) return "jpeg";
  if (starts(bytes, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return "png";
  if (text(bytes, 0, 6) === "GIF87a" || text(bytes, 0, 6) === "GIF89a") return "gif";
  if (text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 12) === "WEBP") return "webp";
  if (starts(bytes, 0x49, 0x49, 0x2a, 0) || starts(bytes, 0x4d, 0x4d, 0, 0x2a) || starts(bytes, 0x49, 0x49, 0x2b, 0) || starts(bytes, 0x4d, 0x4d, 0, 0x2b)) return "tiff";
  if (text(bytes, 0, 2) === "BM" && bytes.length >= 26) return "bmp";
  if (text(bytes, 4, 8) === "ftyp") {
    // Brands fill the rest of this first box, whose size comes before its name.
    const brands = text(bytes, 8, Math.min((bytes[2]! << 8) | bytes[3]!, 256));
    if (/avi[fs]/.test(brands)) return "avif";
    if (/hei[cxms]|hev[cx]|mif1|msf1/.test(brands)) return "heic";
  }
  return null;
}

/** A word for what a file is that is no photo, where its beginning tells; else null. */
export function sniffOther(bytes: Uint8Array): string | null {
  const head = text(bytes, 0, 512).trimStart().toLowerCase();
  if (head.startsWith("<svg") || (head.startsWith("<?xml") && head.includes("<svg"))) return "an SVG drawing";
  if (head.startsWith("%pdf")) return "a PDF document";
  if (head.startsWith("<!doctype html") || head.startsWith("<html")) return "an HTML page";
  return null;
}
