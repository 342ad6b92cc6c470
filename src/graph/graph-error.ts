import { RamplusError } from "../error.js";

export type GraphErrorCode =
  | "shape-mismatch"
  | "dtype-mismatch"
  | "bad-attribute"
  | "symbolic-size"
  | "no-gradient"
  | "missing-input"
  | "duplicate-parameter"
  | "invalid-graph";

/** A graph that cannot be: operands that do not fit, a value without a gradient rule, an input without data. */
export class GraphError extends RamplusError {
  override readonly name = "GraphError";
  constructor(
    readonly code: GraphErrorCode,
    message: string,
  ) {
    super(message);
  }
}
