/** Writes image files field by field: what no honest encoder would write, too. */
import { crc32, deflateSync } from "node:zlib";

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");
const be32 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32BE(value >>> 0, 4 * i));
  return bytes;
};

const pngSignature = latin1("\x89PNG\r\n\x1a\n");

export function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([latin1(type), data]);
  return Buffer.concat([be32(data.length), body, be32(crc32(body))]);
}

export interface PngOptions {
  readonly depth?: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA. */
  readonly colour?: number;
  readonly interlaced?: boolean;
  /** Chunks between header and pixels. */
  readonly more?: readonly Buffer[];
  /** Bytes before compression. @default as many zeros as the size asks for */
  readonly content?: Uint8Array;
}

export function png(width: number, height: number, { depth = 8, colour = 2, interlaced = false, more = [], content }: PngOptions = {}): Buffer {
  const channels = [1, 0, 3, 1, 2, 0, 4][colour] ?? 1;
  const rows = content ?? Buffer.alloc(height * (Math.ceil((width * channels * depth) / 8) + 1));
  const header = Buffer.concat([be32(width, height), Buffer.from([depth, colour, 0, 0, interlaced ? 1 : 0])]);
  return Buffer.concat([pngSignature, pngChunk("IHDR", header), ...more, pngChunk("IDAT", deflateSync(rows, { level: 1 })), pngChunk("IEND", Buffer.alloc(0))]);
}

/** A PNG with the checksums of its chunks made right; other bytes as they are. */
export function repairPng(bytes: Uint8Array): Uint8Array {
  const result = Buffer.from(bytes);
  if (!result.subarray(0, 8).equals(pngSignature)) return result;
  for (let at = 8; at + 12 <= result.length; ) {
    const length = result.readUInt32BE(at);
    if (at + 12 + length > result.length) break;
    result.writeUInt32BE(crc32(result.subarray(at + 4, at + 8 + length)), at + 8 + length);
    at += 12 + length;
  }
  return result;
}

/** A GIF: the screen's size, then frames by their own. `pixels` of them are coded: index 0 only. */
export function gif(width: number, height: number, frames: readonly (readonly [width: number, height: number])[]): Buffer {
  const screen = latin1("GIF89a\0\0\0\0\x80\0\0\x10\x20\x30\xff\xff\xff");
  screen.writeUInt16LE(width, 6);
  screen.writeUInt16LE(height, 8);
  const parts = frames.map(([frameWidth, frameHeight]) => {
    const frame = latin1(",\0\0\0\0\0\0\0\0\0\x02\x02\x44\x01\0");
    frame.writeUInt16LE(frameWidth, 5);
    frame.writeUInt16LE(frameHeight, 7);
    return frame;
  });
  return Buffer.concat([screen, ...parts, latin1(";")]);
}

export interface BmpOptions {
  readonly bits?: number;
  readonly compression?: number;
  readonly pixels?: Uint8Array;
  readonly colours?: number;
}

/** A BMP with a header of 40 bytes; two palette entries unless it has none. */
export function bmp(width: number, height: number, { bits = 8, compression = 0, pixels = Buffer.alloc(0), colours = 2 }: BmpOptions = {}): Buffer {
  const palette = bits <= 8 ? Buffer.alloc(colours * 4, 0x55) : Buffer.alloc(0);
  const header = Buffer.alloc(54);
  header.write("BM");
  header.writeUInt32LE(54 + palette.length, 10);
  header.writeUInt32LE(40, 14);
  header.writeInt32LE(width, 18);
  header.writeInt32LE(height, 22);
  header.writeUInt16LE(1, 26);
  header.writeUInt16LE(bits, 28);
  header.writeUInt32LE(compression, 30);
  header.writeUInt32LE(colours, 46);
  return Buffer.concat([header, palette, pixels]);
}

/** Runs of BMP's kind for `pixels` pixels of one row. */
export function bmpRow(pixels: number): Buffer {
  return Buffer.concat([Buffer.alloc(2 * Math.ceil(pixels / 255), Buffer.from([255, 1])), Buffer.from([0, 1])]);
}

export type TiffEntry = readonly [tag: number, type: 1 | 3 | 4, values: readonly number[]];

/** A TIFF of one directory at byte 8; `data` lies behind it, where tag 273 or 324 points. `next` is where the next directory is said to be. */
export function tiff(entries: readonly TiffEntry[], data: Uint8Array, next = 0): Buffer {
  const width = { 1: 1, 3: 2, 4: 4 } as const;
  const directory = Buffer.alloc(6 + 12 * entries.length);
  directory.writeUInt16LE(entries.length);
  directory.writeUInt32LE(next, directory.length - 4);
  const lists = entries.map(([, type, values]) => {
    const bytes = Buffer.alloc(Math.max(4, values.length * width[type]));
    values.forEach((value, i) => bytes.writeUIntLE(value, i * width[type], width[type]));
    return bytes;
  });
  let at = 8 + directory.length;
  const behind: Buffer[] = [];
  const places = lists.map((list) => {
    if (list.length <= 4) return null;
    behind.push(list);
    at += list.length;
    return at - list.length;
  });
  entries.forEach(([tag, type, values], i) => {
    const from = 2 + 12 * i;
    directory.writeUInt16LE(tag, from);
    directory.writeUInt16LE(type, from + 2);
    directory.writeUInt32LE(values.length, from + 4);
    if (places[i] === null) lists[i]!.copy(directory, from + 8);
    else directory.writeUInt32LE(places[i]!, from + 8);
    if (tag === 273 || tag === 324) directory.writeUInt32LE(at, from + 8);
  });
  return Buffer.concat([latin1("II*\0\x08\0\0\0"), directory, ...behind, data]);
}

/** A TIFF of one strip. `compression` 1 none, 5 LZW, 8 deflate; `photometric` 1 grey, 2 RGB, 5 CMYK. */
export function stripTiff(width: number, height: number, samples: number, data: Uint8Array, { compression = 1, photometric = 2, bits = 8, next = 0 }: { compression?: number; photometric?: number; bits?: number; next?: number } = {}): Buffer {
  const entries: TiffEntry[] = [[256, 4, [width]], [257, 4, [height]], [258, 3, Array.from({ length: Math.min(samples, 2000) }, () => bits)], [259, 3, [compression]], [262, 3, [photometric]], [273, 4, [0]], [277, 3, [samples]], [278, 4, [height]], [279, 4, [data.length]]];
  return tiff(entries, data, next);
}

/** A JPEG segment: marker, length, content. */
export function jpegSegment(marker: number, content: Uint8Array, length = content.length + 2): Buffer {
  return Buffer.concat([Buffer.from([0xff, marker, length >> 8, length & 255]), content]);
}

/** A JPEG with segments after its first marker. */
export function withSegments(jpeg: Buffer, ...segments: readonly Buffer[]): Buffer {
  return Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);
}

/** An EXIF segment whose directories point at one another. */
export function loopingExif(orientation: number): Buffer {
  const directory = (entries: readonly (readonly [number, number, number])[], next: number): Buffer => {
    const bytes = Buffer.alloc(6 + entries.length * 12);
    bytes.writeUInt16LE(entries.length);
    entries.forEach(([tag, type, value], i) => {
      bytes.writeUInt16LE(tag, 2 + i * 12);
      bytes.writeUInt16LE(type, 4 + i * 12);
      bytes.writeUInt32LE(1, 6 + i * 12);
      bytes.writeUInt32LE(value, 10 + i * 12);
    });
    bytes.writeUInt32LE(next, bytes.length - 4);
    return bytes;
  };
  // Orientation; EXIF, GPS and interoperability directories: the first one again.
  const first = directory([[0x112, 3, orientation], [0x8769, 4, 8], [0x8825, 4, 8], [0xa005, 4, 8]], 8);
  return jpegSegment(0xe1, Buffer.concat([latin1("Exif\0\0II*\0\x08\0\0\0"), first]));
}

/** A WebP of the extended kind: its canvas, then chunks. */
export function extendedWebp(width: number, height: number, flags: number, chunks: readonly (readonly [type: string, data: Uint8Array])[]): Buffer {
  const canvas = Buffer.alloc(10);
  canvas[0] = flags;
  canvas.writeUIntLE(width - 1, 4, 3);
  canvas.writeUIntLE(height - 1, 7, 3);
  const body = [["VP8X", canvas] as const, ...chunks].map(([type, data]) => {
    const head = Buffer.alloc(8);
    head.write(type, "latin1");
    head.writeUInt32LE(data.length, 4);
    return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
  });
  const content = Buffer.concat([latin1("WEBP"), ...body]);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(content.length);
  return Buffer.concat([latin1("RIFF"), size, content]);
}

/** The file with each box's content of a type (`ispe`, `clap`, `irot`) overwritten from its beginning. */
export function withBoxes(file: Uint8Array, type: string, content: Uint8Array): Buffer {
  const bytes = Buffer.from(file);
  for (let at = bytes.indexOf(type, 0, "latin1"); at >= 0; at = bytes.indexOf(type, at + 4, "latin1")) Buffer.from(content).copy(bytes, at + 4);
  return bytes;
}

export { be32, latin1 };
