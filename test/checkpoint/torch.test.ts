import assert from "node:assert/strict";
import { test } from "node:test";
import { readAllBytes } from "./temporary-folder.js";
import { asZip64, dictionaryPickle, op, tensorPickle, torchLegacy, torchZip, zipArchive, type HostileTensor } from "./torch-files.js";

const bytes = Buffer.from(Float32Array.from([0, 1, 2, 3, 4, 5, 6, 7]).buffer);
const one: HostileTensor = { elements: 8, shape: [2, 4], strides: [4, 1] };

for (const [form, file] of [
  ["zip", (pickle: Buffer, data: Buffer) => torchZip(pickle, { "0": data })],
  ["older", (pickle: Buffer, data: Buffer, elements: number) => torchLegacy(pickle, [["0", BigInt(elements), data]])],
] as const) {
  const read = (tensor: HostileTensor, data = bytes) => readAllBytes(file(dictionaryPickle({ w: tensorPickle(tensor) }), data, Number(tensor.elements)));

  test(`${form} form: strides, offsets, repeated elements, empty and scalar tensors`, async () => {
    const values = async (tensor: Partial<HostileTensor>): Promise<number[]> => Array.from((await read({ ...one, ...tensor })).get("w")!.data as Float32Array);
    assert.deepEqual(await values({}), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(await values({ shape: [4, 2], strides: [1, 4] }), [0, 4, 1, 5, 2, 6, 3, 7]);
    assert.deepEqual(await values({ offset: 3, shape: [2], strides: [2] }), [3, 5]);
    assert.deepEqual(await values({ offset: 1, shape: [2, 3], strides: [0, 1] }), [1, 2, 3, 1, 2, 3]);
    assert.deepEqual(await values({ shape: [2, 1, 2], strides: [4, 99, 2] }), [0, 2, 4, 6]);
    assert.deepEqual(await values({ offset: 7, shape: [], strides: [] }), [7]);
    assert.deepEqual(await values({ offset: 8, shape: [3, 0], strides: [1, 1] }), []);
  });

  test(`${form} form: every element type`, async () => {
    const types = { Double: "float64", Float: "float32", Half: "float16", BFloat16: "bfloat16", Long: "int64", Int: "int32", Short: "int16", Char: "int8", Byte: "uint8", Bool: "bool" };
    for (const [name, dtype] of Object.entries(types)) {
      const size = { float64: 8, int64: 8, float32: 4, int32: 4, float16: 2, bfloat16: 2, int16: 2 }[dtype] ?? 1;
      const data = Buffer.from(Uint8Array.from({ length: 2 * size }, (_, i) => i % size === 0 ? 1 : 0));
      const tensor = (await read({ storage: `torch.${name}Storage`, elements: 2, shape: [2], strides: [1] }, data)).get("w")!;
      assert.equal(tensor.dtype, dtype);
      assert.deepEqual(Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength), data);
    }
  });
}

test("weights are found at the top, under 'model' and under 'state_dict'; one bare tensor is called 'tensor'", async () => {
  const weights = Buffer.concat([op.emptyDict, op.text("w"), tensorPickle(one), op.setItem]);
  const read = async (pickle: Buffer): Promise<string[]> => [...(await readAllBytes(torchZip(pickle, { "0": bytes }))).keys()];
  assert.deepEqual(await read(dictionaryPickle({ epoch: op.integer(3), w: tensorPickle(one) })), ["w"]);
  assert.deepEqual(await read(dictionaryPickle({ other: tensorPickle(one), model: weights })), ["w"]);
  assert.deepEqual(await read(dictionaryPickle({ state_dict: weights, epoch: op.none })), ["w"]);
  assert.deepEqual(await read(Buffer.concat([op.proto, tensorPickle(one), op.stop])), ["tensor"]);
});

test("parameters are their tensors; sizes and element types in the configuration are passed over", async () => {
  const parameter = Buffer.concat([op.global("torch._utils._rebuild_parameter"), op.mark, tensorPickle(one), op.no, op.emptyDict, op.tuple, op.reduce]);
  const size = Buffer.concat([op.global("torch.Size"), op.mark, op.mark, op.integer(2), op.tuple, op.tuple, op.reduce]);
  const tensors = await readAllBytes(torchZip(dictionaryPickle({ w: parameter, size, dtype: op.global("torch.float16") }), { "0": bytes }));
  assert.deepEqual([...tensors.keys()], ["w"]);
});

test("the archive's root may have any name and depth", async () => {
  const pickle = dictionaryPickle({ w: tensorPickle(one) });
  const tensors = await readAllBytes(zipArchive({ "a/b c/data.pkl": pickle, "a/b c/data/0": bytes, "a/b c/byteorder": Buffer.from("little") }));
  assert.deepEqual([...tensors.keys()], ["w"]);
});

test("protocol 4 is read: frames, short strings, names from the stack", async () => {
  const short = (text: string): Buffer => Buffer.concat([Buffer.from([0x8c, text.length]), Buffer.from(text)]);
  const pickle = Buffer.concat([
    Buffer.from([0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0]), short("collections"), Buffer.from([0x94]), short("OrderedDict"), Buffer.from([0x93, 0x94]),
    op.emptyTuple, op.reduce, short("w"), tensorPickle(one), op.setItem, op.stop,
  ]);
  assert.deepEqual([...(await readAllBytes(torchZip(pickle, { "0": bytes }))).keys()], ["w"]);
});

test("archives with 64-bit sizes and positions are read", async () => {
  const tensors = await readAllBytes(asZip64(torchZip(dictionaryPickle({ w: tensorPickle(one) }), { "0": bytes })));
  assert.deepEqual([...(tensors.get("w")!.data as Float32Array)], [0, 1, 2, 3, 4, 5, 6, 7]);
});

test("a storage seen through a view of the older form begins where the view does", async () => {
  const view = Buffer.concat([op.mark, op.text("v"), op.integer(2), op.integer(4), op.tuple]);
  // The storage's id gains a sixth item: its view.
  const whole = tensorPickle({ elements: 8, offset: 1, shape: [3], strides: [1] });
  const idEnd = whole.indexOf(Buffer.concat([op.tuple, op.persistent]));
  const pickle = Buffer.concat([whole.subarray(0, idEnd), view, whole.subarray(idEnd)]);
  const tensors = await readAllBytes(torchLegacy(dictionaryPickle({ w: pickle }), [["0", 8n, bytes]]));
  assert.deepEqual([...(tensors.get("w")!.data as Float32Array)], [3, 4, 5]);
});
