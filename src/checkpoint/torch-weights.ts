import { allocate, byteSize, viewAs, type TypedArray } from "../tensor/dtype.js";
import { elementCount, rowMajorStrides } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ByteSource } from "./byte-source.js";
import { CheckpointError } from "./checkpoint-error.js";
import type { StoredTensor } from "./checkpoint.js";
import { tensorBuffer } from "./tensor-buffer.js";
import { isKind, type PickleValue, type TorchStorage, type TorchTensor } from "./pickle-value.js";

/** A view may repeat elements of its storage (stride 0), but only up to this many: a few bytes could ask for any amount of memory. */
const repeatedElementLimit = 2 ** 24;

/**
 * The weights in a checkpoint's object: the dictionary under `model` or `state_dict`, else the object's own tensors; a file that is one
 * tensor (as the published tag embeddings are) gives it the name `tensor`. Throws CheckpointError (no-weights, tensor-outside-storage, too-large).
 */
export function torchWeights(file: string, root: PickleValue): Map<string, TorchTensor> {
  const weights = new Map<string, TorchTensor>();
  if (isKind(root, "tensor")) weights.set("tensor", root);
  if (root instanceof Map) {
    const nested = ["model", "state_dict"].map((key) => root.get(key)).find((value) => value instanceof Map);
    for (const [name, value] of nested ?? root) if (typeof name === "string" && isKind(value, "tensor")) weights.set(name, value);
  }
  if (weights.size === 0) throw new CheckpointError(file, { code: "no-weights" });
  for (const [name, tensor] of weights) checkExtent(file, name, tensor);
  return weights;
}

/** Elements from the first that a view touches to one past the last; 0 for an empty one. */
function span({ shape, strides }: TorchTensor): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((end, size, axis) => end + (size - 1) * strides[axis]!, 1);
}

function checkExtent(file: string, name: string, tensor: TorchTensor): void {
  const { storage, offset, shape } = tensor;
  // Beyond 2^53 these sums round, but then they are far beyond any storage as well.
  const end = offset + span(tensor);
  if (end > storage.length) throw new CheckpointError(file, { code: "tensor-outside-storage", tensor: name, end, elements: storage.length });
  const count = shape.includes(0) ? 0 : elementCount(shape);
  const limit = Math.max(storage.length, repeatedElementLimit);
  if (count > limit) throw new CheckpointError(file, { code: "too-large", what: `elements of ${name}, which repeats its storage`, actual: count, limit });
}

/** A view as a tensor to be read; `locate` tells where its storage begins in the file. */
export function torchStoredTensor(source: ByteSource, name: string, view: TorchTensor, locate: (storage: TorchStorage) => Promise<number>): StoredTensor {
  const { storage, shape } = view;
  const { dtype } = storage;
  return {
    name,
    dtype,
    shape,
    async read() {
      const position = (await locate(storage)) + (storage.offset + view.offset) * byteSize(dtype);
      const bytes = tensorBuffer(source.file, name, span(view) * byteSize(dtype));
      await source.readInto(new Uint8Array(bytes), position);
      const data = viewAs(dtype, bytes, 0, span(view));
      return { dtype, shape, data: isRowMajor(view) ? data : gathered(view, data) } as Tensor;
    },
  };
}

function isRowMajor({ shape, strides }: TorchTensor): boolean {
  if (shape.includes(0)) return true;
  const expected = rowMajorStrides(shape);
  return shape.every((size, axis) => size === 1 || strides[axis] === expected[axis]);
}

function gathered({ storage, shape, strides }: TorchTensor, from: TypedArray): TypedArray {
  const count = elementCount(shape);
  // Both arrays are of one dtype, which the compiler cannot see in a union; number stands for bigint here too.
  const source = from as Float64Array;
  const target = allocate(storage.dtype, count) as Float64Array;
  const place = shape.map(() => 0);
  for (let i = 0, at = 0; i < count; i++) {
    target[i] = source[at]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++place[axis]! < shape[axis]!) break;
      at -= strides[axis]! * shape[axis]!;
      place[axis] = 0;
    }
  }
  return target;
}
