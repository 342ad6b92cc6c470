import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Tensor } from "../tensor/tensor.js";
import type { Device, ModelSource } from "./device.js";
import { openOnnxSession } from "./onnxruntime.js";
import type { Tensors } from "./worker-protocol.js";

export interface ProfiledRun {
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Operators that ran, by the execution provider that ran them, in ONNX Runtime's words (CPUExecutionProvider); null: WebAssembly, which has one only. */
  readonly operators: Readonly<Record<string, readonly string[]>> | null;
}

/**
 * One run with ONNX Runtime's profiling on, which alone tells where each operator ran: a provider that cannot take an operator
 * leaves it to the CPU without a word. Runs in this thread, which it blocks. Throws a RuntimeError, or what ONNX Runtime throws in the run.
 */
export async function profiledRun(model: ModelSource, device: Device, feeds: Tensors, threads: number): Promise<ProfiledRun> {
  const folder = await mkdtemp(join(tmpdir(), "ramplus-profile-"));
  try {
    const native = device !== "wasm";
    const opened = await openOnnxSession({ model, device, threads, keepMemory: true, packWeights: true, optimise: "all", ...(native && { profile: join(folder, "run") }) });
    const { session, Tensor: OrtTensor } = opened;
    const results = await session.run(Object.fromEntries(Object.entries(feeds).map(([name, { dtype, data, shape }]) => [name, new OrtTensor(dtype as "float32", data as Float32Array, [...shape])])));
    const outputs = Object.fromEntries(Object.entries(results).map(([name, { type, dims, data }]) => [name, { dtype: type, shape: [...dims], data } as unknown as Tensor]));
    if (opened.device === "wasm") return { outputs, operators: null };
    session.endProfiling();
    const [file] = await readdir(folder);
    return { outputs, operators: operatorsOf(file === undefined ? "[]" : await readFile(join(folder, file), "utf8")) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Operators by provider, from a profile: each counts once, however often it ran. */
function operatorsOf(profile: string): Record<string, string[]> {
  const events = JSON.parse(profile) as readonly { readonly name?: string; readonly args?: { readonly provider?: string; readonly op_name?: string } }[];
  const found = new Map<string, Map<string, string>>();
  for (const { name = "", args } of events) {
    if (!name.endsWith("_kernel_time") || args?.provider === undefined) continue;
    const operators = found.get(args.provider) ?? new Map<string, string>();
    found.set(args.provider, operators.set(name, args.op_name ?? "?"));
  }
  return Object.fromEntries([...found].map(([provider, operators]) => [provider, [...operators.values()]]));
}
