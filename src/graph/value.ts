import type { DType } from "../tensor/dtype.js";
import type { Shape } from "../tensor/shape.js";
import { formatShape } from "../tensor/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import { GraphError } from "./graph-error.js";
import type { Dims, ValueType } from "./type.js";

/** ONNX attribute values. */
export type Attribute = number | string | readonly number[];
export type Attributes = Readonly<Record<string, Attribute>>;

/** One operator: everything that the rest of the project knows about it. */
export interface Op<A extends Attributes = Attributes> {
  /** ONNX's operator name. */
  readonly name: string;
  /** Operator set, where it is not ONNX's own. */
  readonly domain?: "com.microsoft";
  /** Attributes that ONNX takes as trailing inputs, in this order, with the dtype they have there ("input": that of the first input). */
  readonly operands?: Readonly<Record<string, "int64" | "input">>;
  /** ONNX's dtype attribute `to`, and others that only the writer derives. */
  readonly type: (inputs: readonly ValueType[], attributes: A) => ValueType;
  /**
   * Gradients with respect to each input, given the gradient `dy` of the output `y`; null where there is none.
   * A gradient may have a broadcast shape: the reverse pass sums it back. "none": nothing flows through.
   */
  readonly grad: "none" | ((dy: Value, inputs: readonly Value[], attributes: A, y: Value) => readonly (Value | null)[]);
  /** Slow evaluation that serves as the definition. `type` is the result's. */
  readonly evaluate: (inputs: readonly Tensor[], attributes: A, type: { dtype: DType; shape: Shape }) => Tensor;
  /** Arithmetic operations (a multiply-add counts as two). Bytes follow from the types. */
  readonly operations: (inputs: readonly ValueType[], output: ValueType, attributes: A) => number;
}

/** Where a value comes from when no operator makes it. */
export type Source =
  | { readonly kind: "input"; readonly name: string }
  | { readonly kind: "parameter"; readonly name: string }
  | { readonly kind: "constant"; readonly tensor: Tensor };

/** An immutable value in a graph: it knows what it is computed from, so the graph is whatever its outputs reach. */
export class Value {
  private constructor(
    readonly type: ValueType,
    readonly op: Op | null,
    readonly inputs: readonly Value[],
    readonly attributes: Attributes,
    readonly source: Source | null,
  ) {}

  get shape(): Dims {
    return this.type.shape;
  }

  get dtype(): DType {
    return this.type.dtype;
  }

  get rank(): number {
    return this.type.shape.length;
  }

  static leaf(type: ValueType, source: Source): Value {
    return new Value(type, null, [], {}, source);
  }

  static of(op: Op, inputs: readonly Value[], attributes: Attributes): Value {
    const type = op.type(
      inputs.map((value) => value.type),
      attributes,
    );
    return new Value(type, op, inputs, attributes, null);
  }

  toString(): string {
    const name = this.op?.name ?? (this.source?.kind === "constant" ? "constant" : `${this.source!.kind} ${this.source!.name}`);
    return `${name} ${this.dtype}${formatShape(this.shape)}`;
  }
}

/** The value that `op` computes. Throws a GraphError when the operands do not fit. */
export function apply<A extends Attributes>(op: Op<A>, inputs: readonly Value[], attributes: A): Value {
  // An Op<A> is only ever applied to attributes of type A, and that happens here.
  return Value.of(op as unknown as Op, inputs, attributes);
}

/** A value given at run time. */
export function input(name: string, dtype: DType, shape: Dims): Value {
  return Value.leaf({ dtype, shape }, { kind: "input", name });
}

/** A value fixed in the graph. */
export function constant(tensor: Tensor): Value {
  return Value.leaf({ dtype: tensor.dtype, shape: tensor.shape }, { kind: "constant", tensor });
}

/** A scalar constant of a float dtype. */
export function scalar(value: number, dtype: DType = "float32"): Value {
  if (dtype !== "float32" && dtype !== "float64") throw new GraphError("dtype-mismatch", `scalar of dtype ${dtype}: expected float32 or float64`);
  return constant({ dtype, shape: [], data: dtype === "float32" ? Float32Array.of(value) : Float64Array.of(value) } as Tensor);
}
