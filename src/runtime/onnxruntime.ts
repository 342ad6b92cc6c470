import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Env, InferenceSession, TensorConstructor } from "onnxruntime-common";
import { cudaProblem, loadWithCudaLibraries } from "./cuda-libraries.js";
import type { Device } from "./device.js";
import { RuntimeError } from "./runtime-error.js";
import type { WorkerStart } from "./worker-protocol.js";

/** What both builds of ONNX Runtime offer. */
interface Runtime {
  readonly InferenceSession: { create(model: string | Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession> };
  readonly Tensor: TensorConstructor;
  readonly env: Env;
}

export interface NativeRuntime extends Runtime {
  listSupportedBackends?(): readonly { readonly name: string; readonly bundled: boolean }[];
}

export interface OpenedSession {
  readonly session: InferenceSession;
  readonly Tensor: TensorConstructor;
  readonly device: Exclude<Device, "auto">;
  /** WebAssembly runs because the native runtime could not be loaded. */
  readonly fallback: boolean;
}

/** The native runtime. Throws what Node says where it is not installed or its library does not load. */
export async function loadNative(): Promise<NativeRuntime> {
  loadWithCudaLibraries();
  const module = (await import("onnxruntime-node")) as unknown as NativeRuntime & { default?: NativeRuntime };
  return module.InferenceSession === undefined ? module.default! : module;
}

async function importNative(): Promise<NativeRuntime | null> {
  try {
    return await loadNative();
  } catch {
    // Not installed, or its library does not load on this system: WebAssembly takes over.
    return null;
  }
}

function providerOf(device: Device): string {
  return device === "auto" ? "cpu" : device;
}

/** Opens an ONNX model on the device asked for, once that is permitted. Throws a RuntimeError where the runtime does not offer it or the model cannot be used. */
export async function openOnnxSession({ model, device, threads, keepMemory, packWeights, optimise, profile }: WorkerStart, permitted: Promise<void> = Promise.resolve()): Promise<OpenedSession> {
  const native = device === "wasm" ? null : await importNative();
  const options: InferenceSession.SessionOptions = {
    graphOptimizationLevel: optimise === "none" ? "disabled" : optimise,
    logSeverityLevel: 3,
    intraOpNumThreads: threads,
    enableCpuMemArena: keepMemory,
    enableMemPattern: keepMemory,
    // Processors with AVX2 but without VNNI add pairs of 8-bit products in 16 bits, which overflow: this has them use another way.
    extra: { session: { x64quantprecision: "1", ...(!packWeights && { disable_prepacking: "1" }) } },
    ...(profile !== undefined && { enableProfiling: true, profileFilePrefix: profile }),
  };
  const name = "file" in model ? model.file : "the model";
  if (native !== null) {
    const wanted = providerOf(device);
    const offered = native.listSupportedBackends?.().map((backend) => backend.name) ?? ["cpu"];
    if (!offered.includes(wanted)) {
      throw new RuntimeError("device-unavailable", `device ${device} is not offered by the installed ONNX Runtime; available here: ${[...offered, "wasm"].join(", ")}`);
    }
    await permitted;
    // ONNX Runtime's own error does not name what is missing.
    const problem = wanted === "cuda" ? cudaProblem() : null;
    if (problem !== null) throw new RuntimeError("device-unavailable", `device cuda cannot be used: ${problem}`);
    try {
      const session = await native.InferenceSession.create("file" in model ? model.file : model.bytes, { ...options, executionProviders: [wanted] });
      return { session, Tensor: native.Tensor, device: wanted as Exclude<Device, "auto">, fallback: false };
    } catch (cause) {
      const message = (cause as Error).message;
      const code = wanted === "cpu" ? "model-unusable" : "device-unavailable";
      throw new RuntimeError(code, wanted === "cpu" ? `${name}: ONNX Runtime cannot load it: ${message}` : `device ${device} cannot be used: ${message}`, { cause });
    }
  }
  if (device !== "auto" && device !== "wasm") {
    throw new RuntimeError("device-unavailable", `device ${device} needs the native ONNX Runtime, which is not installed here: npm install onnxruntime-node (ONNXRUNTIME_NODE_INSTALL=skip avoids its download of CUDA libraries)`);
  }
  const web = (await import("onnxruntime-web")) as unknown as Runtime & { default?: Runtime };
  const runtime = web.InferenceSession === undefined ? web.default! : web;
  runtime.env.wasm.numThreads = threads;
  runtime.env.logLevel = "error";
  await permitted;
  try {
    const bytes = "file" in model ? await readFile(model.file) : model.bytes;
    const session = await runtime.InferenceSession.create(new Uint8Array(bytes), {
      ...options,
      executionProviders: ["wasm"],
      externalData: "file" in model ? await externalData(model.file) : [],
    });
    return { session, Tensor: runtime.Tensor, device: "wasm", fallback: device === "auto" };
  } catch (cause) {
    throw new RuntimeError("model-unusable", `${name}: ONNX Runtime cannot load it: ${(cause as Error).message}`, { cause });
  }
}

/** WebAssembly sees no files: the weights beside the graph are handed over. */
async function externalData(file: string): Promise<{ path: string; data: Uint8Array }[]> {
  const names = (await readdir(dirname(file))).filter((name) => name === `${basename(file)}.data`);
  return Promise.all(names.map(async (path) => ({ path, data: new Uint8Array(await readFile(join(dirname(file), path))) })));
}
