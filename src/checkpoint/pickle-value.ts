import type { DType } from "../tensor/dtype.js";

/** What a pickle of weights is made of. Lists are arrays, dictionaries are Maps. */
export type PickleValue = null | boolean | number | bigint | string | Uint8Array | PickleValue[] | Map<PickleValue, PickleValue> | Set<PickleValue> | PickleTuple | PickleGlobal | TorchStorage | TorchTensor;

export interface PickleTuple {
  readonly kind: "tuple";
  readonly items: readonly PickleValue[];
}

/** A name of the allow-list. `build` makes the value that calling it stands for; names without it cannot be called. */
export interface PickleGlobal {
  readonly kind: "global";
  readonly name: string;
  /** Set where the name is a storage class. */
  readonly storage?: DType;
  readonly build?: (args: readonly PickleValue[], fail: (problem: string) => never) => PickleValue;
}

/** A run of elements in the file: `elements` of `key`'s own, of which `length` from `offset` are seen. */
export interface TorchStorage {
  readonly kind: "storage";
  readonly key: string;
  readonly dtype: DType;
  readonly elements: number;
  readonly offset: number;
  readonly length: number;
}

/** A view into a storage; offset and strides in elements. */
export interface TorchTensor {
  readonly kind: "tensor";
  readonly storage: TorchStorage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Whether a value is the object of the given kind. */
export function isKind<K extends "tuple" | "global" | "storage" | "tensor">(value: PickleValue | undefined, kind: K): value is Extract<PickleValue, { readonly kind: K }> {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === kind;
}
