import { evaluate } from "../graph/evaluate.js";
import { matMul } from "../graph/ops/matmul.js";
import { constant, input } from "../graph/value.js";
import { encodeOnnx } from "../onnx/write-onnx.js";
import type { Device } from "../runtime/device.js";
import { profiledRun } from "../runtime/profiled-run.js";
import { float32 } from "../tensor/tensor.js";
import type { DeviceProbe } from "./child-task.js";

const side = 8;

/** Computes a product of known result on a device. Throws a RuntimeError where the device cannot be used. Run it in a process of its own. */
export async function probeDevice(device: Exclude<Device, "auto">): Promise<DeviceProbe> {
  // Whole numbers so small that every precision has them exactly.
  const matrix = (factor: number): readonly number[] => Array.from({ length: side * side }, (_, i) => ((i * factor) % 7) - 3);
  const x = float32([side, side], matrix(5));
  const product = matMul(input("x", "float32", ["rows", side]), constant(float32([side, side], matrix(3))));
  const { outputs, operators } = await profiledRun({ bytes: await encodeOnnx({ y: product }) }, device, { x }, 1);
  const [expected] = evaluate([product], new Map([["x", x]]));
  const received = Array.from(outputs["y"]!.data as Float32Array);
  const right = received.length === side * side && received.every((value, i) => value === (expected!.data as Float32Array)[i]);
  return { right, received: right ? [] : received.slice(0, 8), providers: operators === null ? null : Object.keys(operators) };
}
