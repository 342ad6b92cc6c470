import fc from "fast-check";
import { op, tensorPickle } from "../checkpoint/torch-files.js";
import { edges } from "./damage.js";

const signed = fc.constantFrom(...edges.flatMap((edge) => [edge, -edge])).map((edge) => BigInt.asIntN(64, edge));
const small = fc.constantFrom(0n, 1n, 2n, 4n, 8n);
const size = fc.oneof({ weight: 4, arbitrary: small }, { weight: 1, arbitrary: signed });
const sizes = fc.array(size, { maxLength: 4 });

const strangeTensor = fc
  .record({
    storage: fc.constantFrom("torch.FloatStorage", "torch.DoubleStorage", "torch.HalfStorage", "torch.ByteStorage", "torch.UntypedStorage", "torch.ComplexFloatStorage", "torch.Size"),
    key: fc.constantFrom("0", "0", "0", "1", "", "../data.pkl", "constructor", "__proto__"),
    elements: fc.oneof(fc.constantFrom(8n, 4n, 16n, 32n), signed),
    offset: size,
    shape: sizes,
    strides: sizes,
  })
  .map((tensor) => tensorPickle({ ...tensor, strides: tensor.strides.length > tensor.shape.length ? tensor.strides.slice(0, tensor.shape.length) : tensor.strides }));

/** Operations that leave a tensor on the stack: sound ones, and those that lie over, under and beside their storage of eight elements. */
export const anyTensor = fc.oneof(fc.constantFrom([8], [2, 4], [0, 3], [8, 1, 1]).map((shape) => tensorPickle({ elements: 8, shape, strides: shape.map(() => 1) })), strangeTensor);

function sized(opcode: number, width: 1 | 2 | 4 | 8, length: bigint, rest = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(1 + width);
  head[0] = opcode;
  for (let i = 0; i < width; i++) head[1 + i] = Number((length >> BigInt(8 * i)) & 255n);
  return Buffer.concat([head, rest]);
}

/** Numbers of bytes that are not there: BINUNICODE, BINUNICODE8, BINBYTES, BINBYTES8, LONG1, LONG4, frames, and memory far away. */
const lies = fc.tuple(fc.constantFrom<readonly [number, 1 | 2 | 4 | 8]>([0x58, 4], [0x8d, 8], [0x42, 4], [0x8e, 8], [0x8a, 1], [0x8b, 4], [0x95, 8], [0x54, 4], [0x55, 1], [0x6a, 4], [0x72, 4]), fc.constantFrom(...edges)).map(([[opcode, width], length]) => sized(opcode, width, length));

const text = fc.constantFrom("w", "model", "state_dict", "", "__proto__", "storage", "a.b", "\ud800").map(op.text);
const leaf = fc.oneof(fc.constant(op.none), signed.map(op.integer), text, fc.constant(op.emptyList), fc.constant(op.emptyDict), fc.constant(op.emptyTuple), anyTensor, fc.nat(3).map((index) => Buffer.from([0x68, index])), lies);

/** Operations that leave one value of any depth on the stack, mostly: some take from a stack that is empty, or never return. */
export const anyValue: fc.Arbitrary<Buffer> = fc.letrec<{ value: Buffer }>((tie) => {
  const values = fc.array(tie("value"), { maxLength: 3 }).map((list) => Buffer.concat(list));
  const call = (name: string): fc.Arbitrary<Buffer> => values.map((items) => Buffer.concat([op.global(name), op.mark, items, op.tuple, op.reduce]));
  return {
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      leaf,
      values.map((items) => Buffer.concat([op.mark, items, op.tuple])),
      values.map((items) => Buffer.concat([op.emptyList, op.mark, items, Buffer.from("e")])),
      fc.tuple(text, tie("value")).map((pair) => Buffer.concat([op.emptyDict, ...pair, op.setItem])),
      values.map((items) => Buffer.concat([op.emptyDict, op.mark, items, op.setItems])),
      values.map((items) => Buffer.concat([Buffer.from([0x8f, 0x28]), items, Buffer.from([0x90])])),
      fc.tuple(tie("value"), fc.nat(3)).map(([value, index]) => Buffer.concat([value, Buffer.from([0x71, index])])),
      // A value within itself.
      fc.constant(Buffer.concat([op.emptyList, Buffer.from([0x71, 0, 0x68, 0, 0x61])])),
      fc.constant(Buffer.concat([op.emptyDict, Buffer.from([0x71, 0]), op.text("model"), Buffer.from([0x68, 0]), op.setItem])),
      tie("value").map((value) => Buffer.concat([value, op.persistent])),
      call("collections.OrderedDict"),
      call("torch._utils._rebuild_tensor_v2"),
      call("torch._utils._rebuild_parameter"),
      call("torch.Size"),
      call("torch.FloatStorage"),
      fc.constantFrom("os.system", "builtins.exec", "torch._utils._rebuild_tensor", "numpy.core.multiarray._reconstruct", "__main__.A").chain(call),
      fc.tuple(text, text).map(([module, name]) => Buffer.concat([module, name, Buffer.from([0x93])])),
    ),
  };
}).value;

/** A whole pickle of weights with one value among them that may be anything. */
export const anyPickle = fc.tuple(fc.array(anyTensor, { maxLength: 2 }), anyValue, fc.constantFrom(2, 4, 5)).map(([tensors, value, protocol]) =>
  Buffer.concat([Buffer.from([0x80, protocol]), op.emptyDict, op.mark, ...tensors.flatMap((tensor, i) => [op.text(`w${i}`), tensor]), op.text("x"), value, op.setItems, op.stop]),
);
