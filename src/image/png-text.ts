/** Chunks of compressed texts and profiles, which no pixel depends on here: a kilobyte of them makes the decoder unpack a megabyte. */
const packed: ReadonlySet<string> = new Set(["iCCP", "zTXt", "iTXt"]);

/** A PNG without its compressed texts and colour profile; the same bytes where it has none. What is no whole chunk stays for the decoder to judge. */
export function withoutPackedText(png: Uint8Array): Uint8Array {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const kept: Uint8Array[] = [];
  let start = 0;
  for (let at = 8; at + 12 <= png.length; ) {
    const end = at + 12 + view.getUint32(at);
    if (end > png.length) break;
    if (packed.has(String.fromCharCode(...png.subarray(at + 4, at + 8)))) {
      kept.push(png.subarray(start, at));
      start = end;
    }
    at = end;
  }
  return start === 0 ? png : Buffer.concat([...kept, png.subarray(start)]);
}
