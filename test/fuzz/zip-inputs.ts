import fc from "fast-check";
import { edges } from "./damage.js";

/** Numbers in the records of a zip archive: signature, offset in the record, width. */
const fields: readonly (readonly [signature: number, offset: number, width: 2 | 4 | 8])[] = [
  [0x04034b50, 6, 2], [0x04034b50, 8, 2], [0x04034b50, 18, 4], [0x04034b50, 22, 4], [0x04034b50, 26, 2], [0x04034b50, 28, 2],
  [0x02014b50, 8, 2], [0x02014b50, 10, 2], [0x02014b50, 20, 4], [0x02014b50, 24, 4], [0x02014b50, 28, 2], [0x02014b50, 30, 2], [0x02014b50, 32, 2], [0x02014b50, 34, 2], [0x02014b50, 42, 4],
  [0x06054b50, 4, 2], [0x06054b50, 8, 2], [0x06054b50, 10, 2], [0x06054b50, 12, 4], [0x06054b50, 16, 4], [0x06054b50, 20, 2],
  [0x06064b50, 4, 8], [0x06064b50, 24, 8], [0x06064b50, 32, 8], [0x06064b50, 40, 8], [0x06064b50, 48, 8],
  [0x07064b50, 8, 8], [0x07064b50, 16, 4],
];

/** Positions of a record in the archive. */
function positions(archive: Buffer, signature: number): number[] {
  const found: number[] = [];
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE(signature);
  for (let at = archive.indexOf(mark); at >= 0; at = archive.indexOf(mark, at + 4)) found.push(at);
  return found;
}

/** The archive with some of its records' numbers replaced: sizes, positions, counts, methods and lengths that lie. */
export function lyingZip(archive: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const lie = fc.tuple(fc.constantFrom(...fields), fc.nat(5), fc.oneof(fc.constantFrom(...edges), fc.nat(400).map(BigInt)));
  return fc.tuple(archive, fc.array(lie, { maxLength: 3 })).map(([whole, lies]) => {
    const bytes = Buffer.from(whole);
    for (const [[signature, offset, width], which, value] of lies) {
      const records = positions(bytes, signature);
      const at = records[which % Math.max(records.length, 1)];
      for (let i = 0; at !== undefined && i < width && at + offset + i < bytes.length; i++) bytes[at + offset + i] = Number((value >> BigInt(8 * i)) & 255n);
    }
    return bytes;
  });
}
