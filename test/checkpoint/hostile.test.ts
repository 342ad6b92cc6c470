import assert from "node:assert/strict";
import { mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { CheckpointError, type CheckpointFault } from "../../src/checkpoint/checkpoint-error.js";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.js";
import { shared, sharedMissing } from "../shared-data.js";
import { readAll, readAllBytes, withFolder } from "./temporary-folder.js";
import { asZip64, dictionaryPickle, op, tensorPickle, torchLegacy, torchZip, zipArchive, type HostileTensor } from "./torch-files.js";

const data = Buffer.alloc(32);
const sound: HostileTensor = { elements: 8, shape: [8], strides: [1] };
const withTensor = (tensor: Partial<HostileTensor>, storages: Record<string, Buffer> = { "0": data }): Buffer =>
  torchZip(dictionaryPickle({ w: tensorPickle({ ...sound, ...tensor }) }), storages);
const pickled = (...operations: Buffer[]): Buffer => torchZip(Buffer.concat([op.proto, ...operations, op.stop]));

function safetensors(header: unknown, dataLength = 0, headerLength?: bigint): Buffer {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerLength ?? BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataLength)]);
}
/** The archive with 32-bit numbers written into its directory's last record: 20 and 24 are the sizes, 42 is the position. */
function withDirectory(archive: Buffer, numbers: Readonly<Record<number, number>>): Buffer {
  const bytes = Buffer.from(archive);
  const at = bytes.lastIndexOf(Buffer.from("PK\x01\x02", "latin1"));
  for (const [offset, value] of Object.entries(numbers)) bytes.writeUInt32LE(value, at + Number(offset));
  return bytes;
}
const times = (count: number, operations: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => operations));
const deepList = Buffer.concat([times(30_000, op.emptyList), times(29_999, Buffer.from("a"))]);
const [put, get] = [Buffer.from("q\0"), Buffer.from("h\0")];
/** One list of 1,000 pairs, and 2,000 dictionaries made of it. */
const copies = Buffer.concat([op.emptyList, op.mark, times(1000, Buffer.concat([op.none, op.none, Buffer.from([0x86])])), Buffer.from("e"), put, times(2000, Buffer.concat([op.global("collections.OrderedDict"), get, Buffer.from([0x85]), op.reduce]))]);
const f32 = (shape: unknown, begin: unknown, end: unknown): unknown => ({ dtype: "F32", shape, data_offsets: [begin, end] });

const hostile: readonly (readonly [what: string, code: CheckpointFault["code"], bytes: Buffer])[] = [
  ["an empty file", "not-a-checkpoint", Buffer.alloc(0)],
  ["text", "not-a-checkpoint", Buffer.from("version https://git-lfs.github.com/spec/v1\n")],
  ["a zip of something else", "not-a-checkpoint", zipArchive({ "word/document.xml": data })],
  ["an archive cut off", "bad-archive", withTensor({}).subarray(0, 300)],
  ["a compressed archive", "compressed-entry", zipArchive({ "archive/data.pkl": data }, 8)],
  ["a big-endian archive", "big-endian", zipArchive({ "a/byteorder": Buffer.from("big"), "a/data.pkl": data })],
  ["an archive whose directory lies exabytes away", "truncated", asZip64(withTensor({}), 2n ** 64n - 1n)],
  ["an entry within another", "bad-archive", withDirectory(withTensor({}), { 42: 4 })],
  ["an entry past the end", "truncated", withDirectory(withTensor({}), { 42: 0x7fff_ffff })],
  ["an entry of 4 GB", "truncated", withDirectory(withTensor({ elements: 2 ** 30 - 1, shape: [2 ** 30 - 1] }), { 20: 2 ** 32 - 4, 24: 2 ** 32 - 4 })],
  ["an entry that occurs twice", "bad-archive", Buffer.from(zipArchive({ "a/data.pkl": data, "a/data.pkX": data }).toString("latin1").replaceAll("a/data.pkX", "a/data.pkl"), "latin1")],
  ["dictionaries made of one list again and again", "too-large", pickled(copies)],
  ["a call of os.system", "forbidden-global", pickled(op.global("os.system"), op.mark, op.text("true"), op.tuple, op.reduce)],
  ["builtins.eval, never called", "forbidden-global", pickled(op.global("builtins.eval"))],
  ["an argparse.Namespace", "forbidden-global", torchZip(dictionaryPickle({ w: tensorPickle(sound), args: op.global("argparse.Namespace") }), { "0": data })],
  ["a name of Object.prototype", "forbidden-global", pickled(op.global("constructor.constructor"))],
  ["a call of a storage class", "bad-pickle", pickled(op.global("torch.FloatStorage"), op.emptyTuple, op.reduce)],
  ["a call of a string", "bad-pickle", pickled(op.text("os.system"), op.emptyTuple, op.reduce)],
  ["an instance of a class (NEWOBJ)", "unsupported-opcode", pickled(op.global("collections.OrderedDict"), op.emptyTuple, Buffer.from([0x81]))],
  ["protocol 0", "unsupported-opcode", torchZip(Buffer.from("I1\n."))],
  ["a name longer than the pickle", "truncated", pickled(Buffer.from("X\xff\xff\xff\xff", "latin1"))],
  ["bytes of 2^64", "truncated", pickled(Buffer.from("\x8e\xff\xff\xff\xff\xff\xff\xff\xff", "latin1"))],
  ["an integer of gigabytes", "too-large", pickled(Buffer.from("\x8b\xff\xff\xff\x7f", "latin1"))],
  ["two million nested lists", "too-large", pickled(Buffer.alloc(2_000_000, "]"))],
  ["two million marks", "too-large", pickled(Buffer.alloc(2_000_000, "("))],
  ["an empty stack", "bad-pickle", pickled()],
  ["popping beyond a mark", "bad-pickle", pickled(op.none, op.mark, Buffer.from("0"))],
  ["a memory never filled", "bad-pickle", pickled(Buffer.from("h\x07", "latin1"))],
  ["no weights", "no-weights", pickled(op.emptyDict)],
  ["a list", "no-weights", pickled(op.emptyList)],
  ["a storage that is absent", "missing-storage", withTensor({ key: "1" })],
  ["a storage of another size", "wrong-storage-size", withTensor({ elements: 9 })],
  ["a storage key that climbs", "missing-storage", withTensor({ key: "../data.pkl" })],
  ["a tensor beyond its storage", "tensor-outside-storage", withTensor({ shape: [9] })],
  ["an offset beyond the storage", "tensor-outside-storage", withTensor({ offset: 1 })],
  ["sizes whose product overflows", "tensor-outside-storage", withTensor({ shape: [2n ** 52n, 2n ** 52n], strides: [2n ** 52n, 2n ** 52n] })],
  ["a terabyte from eight elements", "too-large", withTensor({ shape: [2 ** 20, 2 ** 18], strides: [0, 0] })],
  ["a negative stride", "bad-pickle", withTensor({ strides: [-1] })],
  ["a negative size", "bad-pickle", withTensor({ shape: [-8] })],
  ["a size beyond 2^53", "bad-pickle", withTensor({ shape: [2n ** 60n] })],
  ["more sizes than strides", "bad-pickle", withTensor({ shape: [8, 1] })],
  ["a hundred axes", "bad-pickle", withTensor({ shape: Array.from({ length: 100 }, () => 1), strides: Array.from({ length: 100 }, () => 1) })],
  ["quantised storage", "forbidden-global", withTensor({ storage: "torch.QInt8Storage" })],
  ["older form: data missing", "truncated", torchLegacy(dictionaryPickle({ w: tensorPickle(sound) }), [["0", 8n, data.subarray(4)]])],
  ["older form: another count", "wrong-storage-size", torchLegacy(dictionaryPickle({ w: tensorPickle(sound) }), [["0", 2n ** 62n, data]])],
  ["older form: a negative count", "wrong-storage-size", torchLegacy(dictionaryPickle({ w: tensorPickle(sound) }), [["0", -8n, data]])],
  ["older form: a storage not listed", "missing-storage", torchLegacy(dictionaryPickle({ w: tensorPickle(sound) }))],
  ["older form: a storage of no tensor", "not-a-checkpoint", torchLegacy(dictionaryPickle({ w: tensorPickle(sound) }), [["7", 8n, data]])],
  ["older form: a storage listed twice", "not-a-checkpoint", torchLegacy(dictionaryPickle({ w: tensorPickle(sound) }), [["0", 8n, data], ["0", 8n, data]])],
  ["older form: a protocol that is a deep list", "not-a-checkpoint", Buffer.concat([torchLegacy(Buffer.alloc(0)).subarray(0, 15), op.proto, deepList, op.stop])],
  ["older form: os.system", "forbidden-global", torchLegacy(Buffer.concat([op.proto, op.global("posix.system"), op.stop]))],
  ["a header longer than the file", "truncated", safetensors({ a: f32([1], 0, 4) }, 4, 1000n)],
  ["a header of exabytes", "too-large", safetensors({}, 0, 2n ** 62n)],
  ["a header of 17 MB", "too-large", safetensors({}, 0, 17_000_000n)],
  ["a header nested a thousand deep", "bad-header", safetensors(`{"a":${"[".repeat(1000)}${"]".repeat(1000)}}`)],
  ["a tensor's name twice", "bad-header", safetensors('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8)],
  ["a hundred axes in a header", "bad-header", safetensors({ a: f32(Array.from({ length: 100 }, () => 1), 0, 4) }, 4)],
  ["a header that is no JSON", "bad-header", safetensors('{"a":')],
  ["a header that is no UTF-8", "bad-header", Buffer.concat([safetensors("{", 0, 3n), Buffer.from([0xff, 0x7d])])],
  ["a tensor that is a number", "bad-header", safetensors({ a: 1 })],
  ["metadata that are no strings", "bad-header", safetensors({ __metadata__: { a: 1 } })],
  ["an unknown element type", "unsupported-dtype", safetensors({ a: { dtype: "F4", shape: [1], data_offsets: [0, 1] } }, 1)],
  ["a fractional size", "bad-header", safetensors({ a: f32([0.5], 0, 2) }, 2)],
  ["sizes of which the product overflows", "bad-header", safetensors({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4)],
  ["an extent of another size", "bad-header", safetensors({ a: f32([2], 0, 4) }, 4)],
  ["overlapping tensors", "bad-header", safetensors({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8)],
  ["a gap", "bad-header", safetensors({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12)],
  ["bytes after the end", "bad-header", safetensors({ a: f32([1], 0, 4) }, 5)],
  ["data missing", "truncated", safetensors({ a: f32([2], 0, 8) }, 7)],
];

for (const [what, code, bytes] of hostile) {
  test(`${what}: ${code}`, async () => {
    await assert.rejects(readAllBytes(bytes), (error: unknown) => {
      assert.ok(error instanceof CheckpointError, String(error));
      assert.equal(error.code, code, error.message);
      assert.ok(error.message.startsWith(`${error.file}: `));
      return true;
    });
  });
}

test("a forbidden name is named", async () => {
  await assert.rejects(readAllBytes(pickled(op.global("os.system"))), /asks for os\.system/);
});

test("a missing file and a folder are told from damaged files", async () => {
  await withFolder(async (folder) => {
    await assert.rejects(openCheckpoint(join(folder, "no.pth")), { code: "not-found" });
    await mkdir(join(folder, "a.pth"));
    await assert.rejects(openCheckpoint(join(folder, "a.pth")), { code: "not-a-checkpoint" });
  });
});

test("a file that shrinks, or is closed, after it was opened gives an error", async () => {
  await withFolder(async (folder) => {
    const file = join(folder, "a.safetensors");
    await writeFile(file, safetensors({ a: f32([2], 0, 8) }, 8));
    const checkpoint = await openCheckpoint(file);
    await truncate(file, 60);
    await assert.rejects(checkpoint.tensors.get("a")!.read(), { code: "truncated" });
    await checkpoint.close();
    await assert.rejects(checkpoint.tensors.get("a")!.read(), { code: "unreadable" });
  });
});

test("a tensor over 4 GiB, as a file with holes may hold, takes no memory", async () => {
  await withFolder(async (folder) => {
    const file = join(folder, "holes.safetensors");
    const bytes = safetensors({ a: { dtype: "U8", shape: [2 ** 33], data_offsets: [0, 2 ** 33] } });
    await writeFile(file, bytes);
    await truncate(file, bytes.length + 2 ** 33);
    const checkpoint = await openCheckpoint(file);
    await assert.rejects(checkpoint.tensors.get("a")!.read(), { code: "too-large" });
    await checkpoint.close();
  });
});

/** Reads damaged bytes; anything but tensors or a CheckpointError is a fault of ours. */
async function survive(file: string, bytes: Buffer): Promise<boolean> {
  await writeFile(file, bytes);
  try {
    await readAll(file);
    return true;
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return false;
  }
}

const originals = ["checkpoint.pth", "checkpoint-legacy.pth", "checkpoint.safetensors"];
for (const name of originals) {
  const path = `parity/vision_multi_names/${name}`;
  test(`${name} cut off anywhere is refused`, { skip: sharedMissing(path) }, async () => {
    const bytes = await readFile(shared(path));
    await withFolder(async (folder) => {
      const file = join(folder, "cut");
      for (let length = 0; length < bytes.length; length += length < 200 ? 7 : 1499) {
        assert.equal(await survive(file, bytes.subarray(0, length)), false, `cut at ${length}`);
      }
      assert.equal(await survive(file, bytes.subarray(0, bytes.length - 1)), false);
    });
  });

  test(`${name} with flipped bytes is read or refused, never worse`, { skip: sharedMissing(path) }, async () => {
    const bytes = await readFile(shared(path));
    // Where structure is: the beginning (headers, pickles) and the end (the zip's directory).
    const place = fc.oneof(fc.nat(bytes.length - 1), fc.nat(300), fc.integer({ min: bytes.length - 12_000, max: bytes.length - 1 }), fc.nat(25_000));
    await withFolder(async (folder) => {
      const file = join(folder, "flipped");
      const flips = fc.array(fc.tuple(place, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 });
      await fc.assert(
        fc.asyncProperty(flips, async (list) => {
          const damaged = Buffer.from(bytes);
          for (const [at, mask] of list) damaged[at]! ^= mask;
          await survive(file, damaged);
        }),
        { seed: 20240917, numRuns: 150 },
      );
    });
  });
}

test("any operations at all are read or refused", async () => {
  const operations = fc.array(
    fc.oneof(
      fc.constantFrom(...[op.mark, op.tuple, op.emptyTuple, op.emptyDict, op.emptyList, op.setItem, op.setItems, op.reduce, op.persistent, op.none, Buffer.from("b"), Buffer.from("e"), Buffer.from("q\0"), Buffer.from("h\0")]),
      fc.constantFrom("collections.OrderedDict", "torch.Size", "torch.FloatStorage", "torch._utils._rebuild_parameter", "torch._utils._rebuild_tensor_v2").map(op.global),
      fc.constant(tensorPickle(sound)),
      fc.string({ maxLength: 4 }).map(op.text),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(op.integer),
      fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 30 },
  );
  await withFolder(async (folder) => {
    const file = join(folder, "random.pth");
    await fc.assert(
      fc.asyncProperty(operations, async (list) => void (await survive(file, torchZip(Buffer.concat([op.proto, ...list, op.stop]), { "0": data })))),
      { seed: 20240917, numRuns: 400 },
    );
  });
});
