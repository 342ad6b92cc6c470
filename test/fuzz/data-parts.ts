import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { readLabelFile } from "../../src/data/label-file.js";
import { readShard } from "../../src/data/tar-shards.js";
import { readTextList, readThresholdList } from "../../src/vocab/text-lists.js";
import { edges } from "./damage.js";
import type { FuzzPart, NamedInput } from "./part.js";

interface Member {
  readonly name: string;
  /** Text of the size field. @default that of the data, in octal */
  readonly size?: string | Uint8Array;
  /** Type flag: "0" file, "5" folder, "2" link, "L" long name, "x" and "g" pax. */
  readonly type?: string;
  readonly data?: Uint8Array;
}

function checksum(header: Buffer): void {
  header.write("        ", 148);
  header.write(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `, 148);
}

/** A tar archive of ustar records, each with its own word on how long it is. */
function tar(members: readonly Member[], end = true): Buffer {
  const parts = members.flatMap(({ name, size, type = "0", data = Buffer.alloc(0) }) => {
    const header = Buffer.alloc(512);
    header.write(name.slice(0, 100), 0);
    header.write("0000644\0", 100);
    header.set(typeof size === "object" ? size : Buffer.from(size ?? `${data.length.toString(8).padStart(11, "0")}\0`), 124);
    header.write(type, 156);
    header.write("ustar\0" + "00", 257);
    checksum(header);
    return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(end ? 1024 : 0)]);
}

/** A size field of base 256. */
function binarySize(value: bigint): Buffer {
  const bytes = Buffer.alloc(12);
  for (let i = 0; i < 12; i++) bytes[11 - i] = Number((value >> BigInt(8 * i)) & 255n);
  bytes[0]! |= 0x80;
  return bytes;
}

const photo = Buffer.from("photo bytes");
const pax = (key: string, value: string): Buffer => {
  const body = ` ${key}=${value}\n`;
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length++;
  return Buffer.from(`${length}${body}`);
};
const sound = tar([{ name: "train/a.jpg", data: photo }, { name: "train/", type: "5" }, { name: "b.png", data: Buffer.alloc(700) }, { name: "l", type: "L", data: Buffer.from("a/very/long/name.jpg\0") }, { name: "c", data: photo }]);

const anyMember: fc.Arbitrary<Member> = fc.record({
  name: fc.constantFrom("a.jpg", "../../a.jpg", "/etc/passwd", "", ".jpg", "a/b/", "\ud800.png", "x".repeat(100)),
  type: fc.constantFrom("0", "\0", "5", "2", "1", "3", "L", "K", "x", "g", "S", "7", "z"),
  size: fc.oneof(fc.constantFrom<string | Uint8Array>("00000000013\0", "", "-1", "zzz", "77777777777\0", "9", " 13 "), fc.constantFrom(...edges, -1n & (2n ** 95n - 1n)).map(binarySize)),
  data: fc.constantFrom<Uint8Array>(photo, Buffer.alloc(0), pax("path", "b.jpg"), pax("size", "9"), pax("size", "-1"), pax("size", "1e99"), pax("size", "9007199254740993"), Buffer.from("99999999999 path=x\n"), Buffer.from("-1 a=b\n"), Buffer.from("0 =\n")),
});

const largeFew = (count: number): Buffer => gzipSync(tar(Array.from({ length: count }, (_, i) => ({ name: `${i}.jpg`, data: Buffer.alloc(8_000_000) }))));

function tarCases(): readonly NamedInput[] {
  return [
    { what: "a member of 8 GB", bytes: tar([{ name: "a.jpg", size: "77777777777\0" }]), ends: "bad-shard" },
    { what: "a member of 2^63 bytes", bytes: tar([{ name: "a.jpg", size: binarySize(2n ** 63n) }]), ends: "bad-shard" },
    { what: "a long name of 8 GB", bytes: tar([{ name: "a", type: "L", size: "77777777777\0" }]), ends: "bad-shard" },
    { what: "a folder of 8 GB", bytes: tar([{ name: "a/", type: "5", size: "77777777777\0" }]) },
    { what: "no end", bytes: tar([{ name: "a.jpg", data: photo }], false) },
    { what: "a name that climbs", bytes: tar([{ name: "../../../a.jpg", data: photo }]), ends: "read" },
    { what: "a link to a file elsewhere", bytes: tar([{ name: "a.jpg", type: "2" }]), ends: "read" },
    { what: "an empty file", bytes: Buffer.alloc(0) },
  ];
}

async function readPhotos(file: string): Promise<void> {
  for await (const { key } of readShard(file)) if (key.includes("/")) throw new Error(`a key that is a path: ${key}`);
}

const csvPiece = fc.constantFrom("file", "tags", "a.jpg", "../b.jpg", "dog", ",", ";", "\t", "|", '"', '""', "\n", "\r\n", "\r", " ", "\0", "\\", "\ufeff", "\ud800", "红");

const listText = "dog\ncat\r\nsky \n";

/** The readers of training sets and text lists. */
export const dataParts: readonly FuzzPart[] = [
  { name: "tar", fileName: "train.tar", peak: 500, runs: 250, named: tarCases, originals: () => [{ what: "a small shard", bytes: sound }], structured: () => fc.tuple(fc.array(anyMember, { maxLength: 3 }), fc.boolean()).map(([members, end]) => tar(members, end)), read: readPhotos },
  {
    name: "tar-gz",
    fileName: "train.tar.gz",
    peak: 900,
    runs: 100,
    named: () => [
      { what: "a bomb of many members", bytes: () => largeFew(40), ends: "read", slow: true },
      { what: "a bomb of one member", bytes: gzipSync(tar([{ name: "a.jpg", data: Buffer.alloc(70_000_000) }])), ends: "bad-shard" },
      { what: "a bomb of one long name", bytes: gzipSync(tar([{ name: "a", type: "L", data: Buffer.alloc(20_000_000, "a") }])), ends: "bad-shard" },
      { what: "a bomb of one folder", bytes: () => gzipSync(tar([{ name: "a/", type: "5", data: Buffer.alloc(200_000_000) }])), slow: true },
      { what: "nothing but zeros", bytes: () => gzipSync(Buffer.alloc(200_000_000)), ends: "read", slow: true },
    ],
    originals: () => [{ what: "a small shard", bytes: gzipSync(sound) }],
    structured: () => fc.array(anyMember, { maxLength: 3 }).map((members) => gzipSync(tar(members))),
    read: readPhotos,
  },
  {
    name: "csv-labels",
    fileName: "labels.csv",
    peak: 1000,
    runs: 200,
    named: () => [
      { what: "eight million names", bytes: () => Buffer.from(Array.from({ length: 8_000_000 }, (_, i) => `${i}\n`).join("")), ends: "bad-labels", slow: true },
      { what: "a line of a million tags", bytes: Buffer.from(`a,${Array.from({ length: 1_000_000 }, (_, i) => i).join(",")}\n`), ends: "bad-labels" },
      { what: "lines of many tags", bytes: () => Buffer.from(Array.from({ length: 60 }, (_, line) => `a,${Array.from({ length: 100_000 }, (_unused, i) => line * 100_000 + i).join("|")}\n`).join("")), ends: "bad-labels", slow: true },
      { what: "a quote that never ends", bytes: Buffer.from(`a,"${"b\n".repeat(5_000_000)}`), ends: "bad-labels" },
      { what: "60 million separators", bytes: () => Buffer.from(`${",".repeat(900_000)}\n`.repeat(60)), slow: true },
      { what: "no UTF-8", bytes: Buffer.from([0x61, 0xff, 0x2c, 0x62]), ends: "bad-labels" },
    ],
    originals: () => [{ what: "lines", bytes: Buffer.from('a.jpg,dog,cat\n"b,c.jpg","dark, ""very"""\nd.jpg\n') }, { what: "columns", bytes: Buffer.from("id;file;tags\r\n1;a.jpg;dog|cat\r\n") }],
    structured: () => fc.array(csvPiece, { maxLength: 30 }).map((pieces) => Buffer.from(pieces.join(""))),
    read: async (file) => void (await readLabelFile(file)),
  },
  {
    name: "text-list",
    fileName: "list.txt",
    peak: 900,
    runs: 100,
    named: () => [
      { what: "20 million names", bytes: Buffer.alloc(60_000_000, "ab\n"), ends: "too-large" },
      { what: "a million names of 59 characters", bytes: Buffer.alloc(60_000_000, `${"x".repeat(59)}\n`), ends: "read" },
      { what: "one line of 60 MB", bytes: Buffer.alloc(60_000_000, "a"), ends: "read" },
      { what: "60 million empty lines", bytes: Buffer.alloc(60_000_000, "\n"), ends: "too-large" },
      { what: "more than is read", bytes: Buffer.alloc(70_000_000, "ab\n"), ends: "too-large" },
      { what: "carriage returns", bytes: Buffer.alloc(1_000_000, "\r"), ends: "bad-list" },
    ],
    originals: () => [{ what: "a list", bytes: Buffer.from(listText) }],
    read: async (file) => void (await readTextList(file)),
  },
  { name: "threshold-list", fileName: "thresholds.txt", peak: 400, runs: 200, named: () => [{ what: "digits without end", bytes: Buffer.alloc(5_000_000, "1"), ends: "bad-number" }], originals: () => [{ what: "thresholds", bytes: Buffer.from("0.65\n1\n.5\n1e-3\n") }], structured: () => fc.array(fc.constantFrom("0.5", "NaN", "Infinity", "-0", "0x1", "1e", "1_0", "٣", "0.5 0.5", ""), { maxLength: 4 }).map((lines) => Buffer.from(lines.join("\n"))), read: async (file) => void (await readThresholdList(file)) },
];
