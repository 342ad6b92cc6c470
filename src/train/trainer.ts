import type { ParameterSpec } from "../graph/params.js";
import { inputsOf } from "../graph/evaluate.js";
import { encodeOnnx } from "../onnx/write-onnx.js";
import type { SessionOptions } from "../runtime/device.js";
import { openSession } from "../runtime/session.js";
import type { Shape } from "../tensor/shape.js";
import type { ValueType } from "../graph/type.js";
import { zeros, type Tensor } from "../tensor/tensor.js";
import { stepFeedback, stepNumbers } from "./adamw-step.js";
import { buildStep, type StepConfig } from "./step-graph.js";
import { TrainError } from "./train-error.js";

/** Weights and, for those that train, AdamW's moments under `momentum/NAME` and `variance/NAME`. */
export type TrainingState = ReadonlyMap<string, Tensor>;

/** A compiled training step with its state. */
export interface Trainer extends AsyncDisposable {
  /** Names and shapes of the network's parameters. */
  readonly parameters: readonly ParameterSpec[];
  /** Names and types of the inputs that each step takes. */
  readonly batch: Readonly<Record<string, ValueType>>;
  /** Branches that stochastic depth scales through the inputs `branch_scale/I`. */
  readonly branches: number;
  /** One step at a learning rate; `count` is the optimiser's step, from 1. Gives `loss`, `gradient_norm` and the terms. */
  step(batch: Readonly<Record<string, Tensor>>, rate: number, count: number): Promise<Record<string, number>>;
  /** A copy of the state after the last step. */
  state(): Promise<TrainingState>;
  dispose(): Promise<void>;
}

/**
 * Compiles a training step and starts from `state`: weights by name, moments where they continue; `beside` are weights that the step
 * uses and that are no part of the state. Throws a TrainError when a weight is missing or has another shape.
 */
export async function createTrainer(config: StepConfig, state: TrainingState, options: SessionOptions = {}, beside: TrainingState = new Map()): Promise<Trainer> {
  const graph = buildStep(config);
  const shapes = new Map(graph.parameters.map((spec) => [spec.name, spec.shape as Shape]));
  const given = new Map([...beside, ...state]);
  const session = await openSession({ bytes: await encodeOnnx(graph.outputs, (name) => startValue(name, shapes.get(name)!, given)) }, options);
  const inputs = inputsOf(Object.values(graph.outputs));
  const stateNames = [...inputs.keys()].filter((name) => graph.parameters.some((spec) => spec.name === name) || name.startsWith("momentum/") || name.startsWith("variance/"));
  const initial = Object.fromEntries(stateNames.map((name) => [name, startValue(name, inputs.get(name)!.shape as Shape, state)]));
  const loop = await session.loop(initial, stepFeedback(graph.trained));
  const batch = Object.fromEntries([...inputs].filter(([name]) => initial[name] === undefined && !numbers.has(name)).map(([name, value]) => [name, value.type]));
  const dispose = (): Promise<void> => session.dispose();
  return {
    parameters: graph.parameters,
    batch,
    branches: graph.branches,
    async step(feeds, rate, count) {
      const results = await loop.step({ ...feeds, ...stepNumbers(rate, count, config.optimizer) });
      return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name.replace("term/", ""), Number(data[0])]));
    },
    // Weights that are frozen, or that this step does not use (the encoder's, when it trains on kept tokens), pass through.
    state: async () => new Map([...state, ...Object.entries(await loop.state())]),
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

const numbers: ReadonlySet<string> = new Set(["rate", "correction1", "correction2"]);

function startValue(name: string, shape: Shape, state: TrainingState): Tensor {
  const given = state.get(name);
  if (given === undefined) {
    if (name.startsWith("momentum/") || name.startsWith("variance/")) return zeros("float32", shape);
    throw new TrainError("missing-weight", `the training state has no weight ${name}`);
  }
  if (given.dtype !== "float32" || given.shape.join() !== shape.join()) throw new TrainError("wrong-weight", `weight ${name}: expected float32[${shape.join(", ")}], received ${given.dtype}[${given.shape.join(", ")}]`);
  return given;
}
