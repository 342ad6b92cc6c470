import { readFileSync } from "node:fs";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.js";
import { asZip64, dictionaryPickle, op, tensorPickle, torchLegacy, torchZip, zipArchive, type HostileTensor } from "../checkpoint/torch-files.js";
import { shared, sharedMissing } from "../shared-data.js";
import { edges } from "./damage.js";
import type { FuzzPart, NamedInput, OriginalInput } from "./part.js";
import { anyPickle } from "./torch-inputs.js";
import { lyingZip } from "./zip-inputs.js";

const data = Buffer.alloc(32);
const sound: HostileTensor = { elements: 8, shape: [8], strides: [1] };
const soundPickle = dictionaryPickle({ w: tensorPickle(sound), v: tensorPickle({ ...sound, shape: [2, 2], strides: [1, 4] }) });
const soundZip = torchZip(soundPickle, { "0": data });
const pickled = (...operations: Buffer[]): Buffer => Buffer.concat([op.proto, ...operations, op.stop]);
const times = (count: number, operations: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => operations));
const [append, pop] = [Buffer.from("a"), Buffer.from("0")];
const put = (index: number): Buffer => Buffer.from([0x71, index]);
const get = (index: number): Buffer => Buffer.from([0x68, index]);

/** Tensors of a file, as many as a small network has. */
async function readWeights(file: string): Promise<void> {
  const checkpoint = await openCheckpoint(file);
  try {
    for (const stored of [...checkpoint.tensors.values()].slice(0, 20)) {
      const tensor = await stored.read();
      const count = tensor.shape.reduce((product, size) => product * size, 1);
      if (tensor.data.length !== (tensor.shape.includes(0) ? 0 : count)) throw new Error(`${stored.name}: ${tensor.data.length} elements for [${tensor.shape.join(", ")}]`);
    }
  } finally {
    await checkpoint.close();
  }
}

const sharedFile = (path: string): OriginalInput[] => (sharedMissing(path) === false ? [{ what: path, bytes: readFileSync(shared(path)) }] : []);

/** The archive with a number written into the central directory's record of its last entry. */
function withCentral(archive: Buffer, offset: number, value: number): Buffer {
  const bytes = Buffer.from(archive);
  bytes.writeUInt32LE(value, bytes.lastIndexOf(Buffer.from("PK\x01\x02", "latin1")) + offset);
  return bytes;
}

/** A pickle that makes a dictionary of 200,000 pairs again and again out of one list. */
function quadraticPickle(): Buffer {
  const pair = Buffer.concat([op.none, op.none, Buffer.from([0x86])]);
  const list = Buffer.concat([pair, put(1), pop, op.emptyList, put(0), op.mark, times(200_000, get(1)), Buffer.from("e"), pop]);
  const once = Buffer.concat([get(2), get(0), Buffer.from([0x85]), op.reduce]);
  return pickled(op.global("collections.OrderedDict"), put(2), list, op.emptyList, op.mark, times(100_000, once), Buffer.from("e"));
}

/** Lists within lists: 30,000 deep, or doubled 60 times. */
const deepList = Buffer.concat([times(30_000, op.emptyList), times(29_999, append)]);
const doubledList = Buffer.concat([op.emptyList, op.none, append, ...Array.from({ length: 60 }, () => Buffer.concat([put(0), pop, op.emptyList, get(0), append, get(0), append]))]);
const legacyKeys = (key: Buffer): Buffer => Buffer.concat([torchLegacy(soundPickle).subarray(0, -Buffer.concat([op.proto, op.emptyList, op.mark, Buffer.from("e"), op.stop]).length), pickled(op.emptyList, key, append)]);
const legacyProtocol = (protocol: Buffer): Buffer => Buffer.concat([torchLegacy(soundPickle).subarray(0, 15), pickled(protocol)]);

function zipCases(): readonly NamedInput[] {
  const twice = zipArchive({ "archive/data.pkl": soundPickle, "archive/data.pkX": soundPickle, "archive/data/0": data });
  const name = Buffer.from("archive/data.pkX");
  for (let at = twice.indexOf(name); at >= 0; at = twice.indexOf(name)) twice.write("archive/data.pkl", at);
  const pickleOf4GB = Buffer.from(soundZip);
  const first = pickleOf4GB.indexOf(Buffer.from("PK\x01\x02", "latin1"));
  for (const size of [20, 24]) pickleOf4GB.writeUInt32LE(0xffff_fffe, first + size);
  const manyEntries = Buffer.from(soundZip);
  for (const count of [12, 14]) manyEntries.writeUInt16LE(0xffff, manyEntries.length - count);
  const terabyte = asZip64(torchZip(dictionaryPickle({ w: tensorPickle({ ...sound, elements: 2n ** 38n, shape: [2n ** 38n] }) }), { "0": data }));
  const extra = terabyte.lastIndexOf(Buffer.from([1, 0, 24, 0]));
  for (const size of [4, 12]) terabyte.writeBigUInt64LE(2n ** 40n, extra + size);
  const bomb = deflateRawSync(Buffer.alloc(50_000_000));
  return [
    { what: "a zip64 archive", bytes: asZip64(soundZip), ends: "read" },
    { what: "an entry that begins within another", bytes: withCentral(soundZip, 42, 4), ends: "bad-archive" },
    { what: "two entries of the same bytes", bytes: withCentral(soundZip, 42, 0), ends: "bad-archive" },
    { what: "an entry past the end of the file", bytes: withCentral(soundZip, 42, 0x7fff_ffff) },
    { what: "an entry of 4 GB", bytes: withCentral(withCentral(soundZip, 20, 0xffff_fffe), 24, 0xffff_fffe) },
    { what: "a pickle of 4 GB", bytes: pickleOf4GB },
    { what: "a storage of a terabyte", bytes: terabyte, ends: "truncated" },
    { what: "a name that occurs twice", bytes: twice, ends: "bad-archive" },
    { what: "a deflate bomb", bytes: zipArchive({ "archive/data.pkl": bomb }, 8), ends: "compressed-entry" },
    { what: "65,535 entries that are not there", bytes: manyEntries },
    { what: "one dictionary built over and over", bytes: torchZip(quadraticPickle()), ends: "too-large" },
    { what: "the same storage as numbers of 4 and of 8 bytes", bytes: torchZip(dictionaryPickle({ w: tensorPickle(sound), v: tensorPickle({ ...sound, storage: "torch.DoubleStorage" }) }), { "0": data }), ends: "wrong-storage-size" },
    { what: "a dictionary under its own key", bytes: torchZip(pickled(op.emptyDict, put(0), op.text("model"), get(0), op.setItem)), ends: "no-weights" },
    { what: "frames that lie about their length", bytes: torchZip(Buffer.concat([Buffer.from([0x80, 4, 0x95]), Buffer.alloc(8, 255), soundPickle.subarray(2)]), { "0": data }), ends: "read" },
    ...[op.none, op.integer(7), op.emptyTuple, deepList, Buffer.concat([op.mark, op.text("storage"), op.none, op.text("0"), op.none, op.integer(8), op.tuple])].map((id, i) => ({ what: `a persistent id of the wrong form, ${i}`, bytes: torchZip(pickled(id, op.persistent)), ends: "bad-pickle" })),
  ];
}

function legacyCases(): readonly NamedInput[] {
  return [
    { what: "a storage's key that is a deep list", bytes: legacyKeys(deepList), ends: "not-a-checkpoint" },
    { what: "a storage's key that is a doubled list", bytes: legacyKeys(doubledList), ends: "not-a-checkpoint" },
    { what: "a protocol that is a deep list", bytes: legacyProtocol(deepList), ends: "not-a-checkpoint" },
    { what: "a protocol that is a doubled list", bytes: legacyProtocol(doubledList), ends: "not-a-checkpoint" },
    { what: "a storage listed twice", bytes: torchLegacy(soundPickle, [["0", 8n, data], ["0", 8n, data]]), ends: "not-a-checkpoint" },
  ];
}

const legacySound = torchLegacy(soundPickle, [["0", 8n, data]]);

function safetensors(header: string | Uint8Array, dataLength = 0): Buffer {
  const json = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataLength)]);
}

const f32 = (name: string, shape: string, begin: string, end: string): string => `"${name}":{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}`;

function safetensorsCases(): readonly NamedInput[] {
  const wide = (): string => Array.from({ length: 1_300_000 }, (_, i) => `"${i.toString(36)}":{}`).join(",");
  return [
    { what: "nested 8,000,000 deep", bytes: () => safetensors(`{"a":${"[".repeat(8_000_000)}`), ends: "bad-header", slow: true },
    { what: "nested and closed", bytes: safetensors(`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`), ends: "bad-header" },
    { what: "1,300,000 names", bytes: () => safetensors(`{${wide()}}`), ends: "bad-header", slow: true },
    { what: "a header of 100 MB", bytes: () => safetensors(Buffer.alloc(100_000_000, "{"), 0), ends: "too-large", slow: true },
    { what: "five million empty objects", bytes: safetensors(`{"a":[${"{},".repeat(5_000_000)}{}]}`), ends: "bad-header" },
    { what: "one name twice", bytes: safetensors(`{${f32("a", "[1]", "0", "4")},${f32("a", "[2]", "0", "8")}}`, 8), ends: "bad-header" },
    { what: "lengths that are NaN", bytes: safetensors(`{${f32("a", "[NaN]", "0", "4")}}`, 4), ends: "bad-header" },
    { what: "lengths that are infinite", bytes: safetensors(`{${f32("a", "[1e999]", "0", "1e999")}}`, 4), ends: "bad-header" },
    { what: "lengths that are texts", bytes: safetensors(`{${f32("a", '["1"]', "0", "4")}}`, 4), ends: "bad-header" },
    { what: "a size of 2^53", bytes: safetensors(`{${f32("a", "[9007199254740992]", "0", "4")}}`, 4), ends: "bad-header" },
    { what: "a thousand axes", bytes: safetensors(`{${f32("a", `[${"1,".repeat(999)}1]`, "0", "4")}}`, 4), ends: "bad-header" },
    { what: "no elements along impossible axes", bytes: safetensors(`{${f32("a", `[${"9007199254740991,".repeat(30)}0]`, "0", "0")}}`), ends: "read" },
    { what: "a byte order mark", bytes: safetensors(`\ufeff{${f32("a", "[1]", "0", "4")}}`, 4) },
    { what: "half a surrogate pair as a name", bytes: safetensors(`{${f32("\\ud800", "[1]", "0", "4")}}`, 4), ends: "read" },
    { what: "a name of a prototype", bytes: safetensors(`{${f32("__proto__", "[1]", "0", "4")}}`, 4), ends: "read" },
    { what: "a name of a megabyte", bytes: safetensors(`{${f32("a".repeat(1_000_000), "[2]", "0", "4")}}`, 4), ends: "bad-header" },
  ];
}

const number = fc.oneof({ weight: 3, arbitrary: fc.constantFrom("0", "1", "2", "4", "8") }, { weight: 1, arbitrary: fc.constantFrom(...edges.map(String), "-1", "0.5", "1e3", "1e999", "-0", "null", '"4"', "[]", "{}", "true", "NaN") });
const numbers = fc.array(number, { maxLength: 4 }).map((list) => `[${list.join(",")}]`);
const entry = fc
  .record({ name: fc.constantFrom("a", "b", "__metadata__", "__proto__", "", "\\u0000", "\\ud800"), dtype: fc.constantFrom('"F32"', '"BF16"', '"I64"', '"BOOL"', '"F8_E4M3"', "4", "null", '"constructor"'), shape: numbers, offsets: numbers })
  .map(({ name, dtype, shape, offsets }) => `"${name}":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`);
const anySafetensors = fc.tuple(fc.array(entry, { maxLength: 3 }), fc.constantFrom("", " ", "\ufeff", "\0"), fc.nat(40)).map(([entries, before, length]) => safetensors(`{${before}${entries.join(",")}}`, length));

/** The readers of weights: PyTorch's zip form and pickles, its older form, safetensors. */
export const checkpointParts: readonly FuzzPart[] = [
  {
    name: "zip",
    fileName: "checkpoint.pth",
    peak: 700,
    runs: 180,
    named: zipCases,
    originals: () => [{ what: "a small archive", bytes: soundZip }, { what: "a small archive as zip64", bytes: asZip64(soundZip) }, ...sharedFile("parity/vision_multi_names/checkpoint.pth")],
    structured: () => lyingZip(fc.oneof(fc.constantFrom(soundZip, asZip64(soundZip)), anyPickle.map((pickle) => torchZip(pickle, { "0": data })))),
    read: readWeights,
  },
  {
    name: "pickle",
    fileName: "pickle.pth",
    peak: 700,
    runs: 500,
    structured: () => anyPickle.map((pickle) => torchZip(pickle, { "0": data })),
    read: readWeights,
  },
  {
    name: "legacy",
    fileName: "legacy.pth",
    peak: 700,
    runs: 180,
    named: legacyCases,
    originals: () => [{ what: "a small file", bytes: legacySound }, ...sharedFile("parity/vision_multi_names/checkpoint-legacy.pth")],
    structured: () => fc.tuple(anyPickle, fc.array(fc.tuple(fc.constantFrom("0", "1", ""), fc.constantFrom(...edges, 8n, 8n, 8n).map((edge) => BigInt.asIntN(64, edge))), { maxLength: 2 })).map(([pickle, storages]) => torchLegacy(pickle, storages.map(([key, count]) => [key, count, data] as const))),
    read: readWeights,
  },
  {
    name: "safetensors",
    fileName: "weights.safetensors",
    peak: 1100,
    runs: 350,
    named: safetensorsCases,
    originals: () => [{ what: "a small file", bytes: safetensors(`{"__metadata__":{"format":"pt"},${f32("a", "[2]", "0", "8")},${f32("b", "[]", "8", "12")}}`, 12) }, ...sharedFile("parity/ram_mini/openset.safetensors"), ...sharedFile("parity/vision_multi_names/outputs.safetensors")],
    structured: () => anySafetensors,
    read: readWeights,
  },
];
