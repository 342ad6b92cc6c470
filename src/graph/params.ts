import { formatShape, type Shape } from "../tensor/shape.js";
import { GraphError } from "./graph-error.js";
import { sameDims } from "./type.js";
import { Value } from "./value.js";

/** How a parameter gets its values when there is no checkpoint. */
export type Initializer =
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "uniform"; readonly bound: number }
  | { readonly kind: "constant"; readonly value: number };

export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly init: Initializer;
  readonly value: Value;
}

/** Parameters of a network, named by stepping into scopes: `p.at("attn").get("weight", ...)` is `attn.weight`. */
export class Params {
  private constructor(
    private readonly prefix: string,
    private readonly specs: Map<string, ParameterSpec>,
  ) {}

  /** An empty set of parameters. */
  static root(): Params {
    return new Params("", new Map());
  }

  /** The scope below this one. */
  at(scope: string | number): Params {
    return new Params(`${this.prefix}${scope}.`, this.specs);
  }

  /** The parameter of this name in this scope; the same value each time. Throws a GraphError when asked for with another shape. */
  get(name: string, shape: Shape, init: Initializer): Value {
    const full = this.prefix + name;
    const known = this.specs.get(full);
    if (known !== undefined) {
      if (!sameDims(known.shape, shape)) throw new GraphError("duplicate-parameter", `parameter ${full} is used as ${formatShape(known.shape)} and as ${formatShape(shape)}`);
      return known.value;
    }
    const value = Value.leaf({ dtype: "float32", shape }, { kind: "parameter", name: full });
    this.specs.set(full, { name: full, shape, init, value });
    return value;
  }

  /** Every parameter asked for so far, in that order. */
  list(): ParameterSpec[] {
    return [...this.specs.values()];
  }
}
