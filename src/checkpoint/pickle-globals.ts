import type { DType } from "../tensor/dtype.js";
import { isKind, type PickleGlobal, type PickleValue, type TorchStorage, type TorchTensor } from "./pickle-value.js";

type Fail = (problem: string) => never;
type Build = NonNullable<PickleGlobal["build"]>;

/** More axes than any weight has. */
const maxRank = 32;

const storageTypes: Readonly<Record<string, DType>> = {
  DoubleStorage: "float64", FloatStorage: "float32", HalfStorage: "float16", BFloat16Storage: "bfloat16",
  LongStorage: "int64", IntStorage: "int32", ShortStorage: "int16", CharStorage: "int8", ByteStorage: "uint8", BoolStorage: "bool",
};
const dtypeNames = ["float64", "double", "float32", "float", "float16", "half", "bfloat16", "int64", "long", "int32", "int", "int16", "short", "int8", "uint8", "bool"];

const globals = new Map<string, PickleGlobal>();
const allow = (name: string, more: { storage?: DType; build?: Build } = {}): void => void globals.set(name, { kind: "global", name, ...more });
for (const [name, storage] of Object.entries(storageTypes)) allow(`torch.${name}`, { storage });
allow("torch.UntypedStorage", { storage: "uint8" });
allow("torch.storage.UntypedStorage", { storage: "uint8" });
for (const name of dtypeNames) allow(`torch.${name}`);
allow("collections.OrderedDict", { build: orderedDict });
allow("torch.Size", { build: ([sizes], fail) => (isKind(sizes, "tuple") ? sizes : fail("torch.Size of no tuple")) });
allow("torch._utils._rebuild_tensor_v2", { build: rebuildTensor });
allow("torch._utils._rebuild_parameter", { build: ([data], fail) => (isKind(data, "tensor") ? data : fail("a parameter without a tensor")) });

/** The names that a pickle of weights may use, by `module.name`; undefined for every other. Each stands for data of ours, never for code. */
export function allowedGlobal(name: string): PickleGlobal | undefined {
  return globals.get(name);
}

/** Python 3 writes OrderedDict() and sets the items afterwards; Python 2 passes a list of pairs. */
function orderedDict(args: readonly PickleValue[], fail: Fail): PickleValue {
  const dictionary = new Map<PickleValue, PickleValue>();
  if (args.length === 0) return dictionary;
  if (args.length !== 1 || !Array.isArray(args[0])) return fail("OrderedDict of no list");
  for (const pair of args[0]) {
    const items = Array.isArray(pair) ? pair : isKind(pair, "tuple") ? pair.items : [];
    if (items.length !== 2) return fail("OrderedDict of no pairs");
    dictionary.set(items[0]!, items[1]!);
  }
  return dictionary;
}

/** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, ...)`: the view it describes. */
function rebuildTensor(args: readonly PickleValue[], fail: Fail): TorchTensor {
  const [storage, offset, size, stride] = args;
  if (!isKind(storage, "storage")) return fail("a tensor without storage");
  const shape = sizes(size, fail);
  const strides = sizes(stride, fail);
  if (shape.length !== strides.length) return fail(`a tensor of ${shape.length} sizes and ${strides.length} strides`);
  return { kind: "tensor", storage, offset: count(offset, fail), shape, strides };
}

/** The storage that a persistent id stands for: `("storage", class, key, device, elements[, (view key, offset, length)])`. */
export function storageOfId(id: PickleValue, fail: Fail): TorchStorage {
  const items = isKind(id, "tuple") ? id.items : [];
  const [word, type, key, , declared, view] = items;
  if (word !== "storage" || items.length < 5 || items.length > 6) return fail("a persistent id that is no storage");
  if (!isKind(type, "global") || type.storage === undefined) return fail("a storage without an element type");
  if (typeof key !== "string") return fail("a storage without a key");
  const elements = count(declared, fail);
  const whole = { kind: "storage", key, dtype: type.storage, elements, offset: 0, length: elements } as const;
  if (view === undefined || view === null) return whole;
  if (!isKind(view, "tuple") || view.items.length !== 3) return fail("a storage view that is no triple");
  const offset = count(view.items[1], fail);
  const length = count(view.items[2], fail);
  if (offset + length > elements) return fail(`a storage view of ${offset} + ${length} elements in ${elements}`);
  return { ...whole, offset, length };
}

function sizes(value: PickleValue | undefined, fail: Fail): readonly number[] {
  const items = Array.isArray(value) ? value : isKind(value, "tuple") ? value.items : fail("sizes that are no tuple");
  if (items.length > maxRank) return fail(`a tensor of ${items.length} axes`);
  return items.map((item) => count(item, fail));
}

function count(value: PickleValue | undefined, fail: Fail): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : fail(`expected a count, received ${typeof value === "number" || typeof value === "bigint" ? value : typeof value}`);
}
