import type { Precision } from "../bundle/model-config.js";
import type { DecoderReport } from "../image/inspect-decoders.js";
import type { Device } from "../runtime/device.js";
import type { RuntimeReport } from "../runtime/inspect-runtime.js";

/** What a check found, or why it found nothing: one that fails does not stop the others. */
export type Checked<T> = { readonly found: T } | { readonly problem: string; readonly code?: string };

export interface NodeReport {
  readonly version: string;
  /** The versions that this package needs. */
  readonly needed: string;
  readonly supported: boolean;
  /** Operating system and processor, in Node's words. */
  readonly platform: string;
}

/** Names of instruction sets that matter here; which of them are asked about depends on the processor's family. */
export type CpuFeature = "AVX2" | "AVX-512" | "AVX-VNNI" | "AVX512-VNNI" | "AMX" | "dotprod" | "i8mm";

export interface CpuReport {
  readonly name: string;
  readonly cores: number;
  /** Processors' worth of time that the container may use; null: no limit. */
  readonly limit: number | null;
  /** Null where the system does not say. */
  readonly features: Readonly<Partial<Record<CpuFeature, boolean>>> | null;
}

/** In bytes. */
export interface MemoryReport {
  readonly total: number;
  /** Free, or freed when asked for, within the container's limit. */
  readonly available: number;
  /** The container's limit; null: none. */
  readonly limit: number | null;
}

export interface CacheReport {
  readonly folder: string;
  /** Bytes free where the folder is or would be. */
  readonly free: number;
}

/** A device with a product of known result computed on it. "fell-back": ONNX Runtime left the work to the CPU without a word. */
export interface DeviceReport {
  readonly device: Exclude<Device, "auto">;
  readonly state: "works" | "fell-back" | "wrong-result" | "unavailable";
  /** Why it does not work. */
  readonly problem?: string;
}

export interface ModelReport {
  readonly folder: string;
  /** The default precision first. */
  readonly precisions: readonly { readonly dtype: Precision; readonly parameters: number; readonly bytes: number }[];
}

/** Loading a model and tagging one photo again and again. */
export interface TimedRun {
  readonly model: string;
  readonly device: Exclude<Device, "auto">;
  readonly dtype: Precision;
  readonly loadMs: number;
  readonly firstMs: number;
  /** Median of the photos after the first. */
  readonly photoMs: number;
  /** Largest memory of the process, in bytes, by the operating system. */
  readonly peakMemory: number;
}

/** Where the operators of a model's two graphs ran, for a device that may leave some to the CPU. */
export interface Placement {
  readonly device: Exclude<Device, "auto">;
  readonly onDevice: number;
  readonly onCpu: number;
  /** Kinds of the operators that ran on the CPU. */
  readonly cpuOperators: readonly string[];
}

export type AdviceCode =
  | "node-too-old"
  | "native-runtime-missing"
  | "native-runtime-broken"
  | "device-unavailable"
  | "device-not-used"
  | "wrong-result"
  | "webgpu-no-vulkan"
  | "webgpu-no-adapter"
  | "cuda-libraries-missing"
  | "little-memory"
  | "little-disk"
  | "container-cpus"
  | "use-q8"
  | "q8-gains-memory-only"
  | "decoders-broken"
  | "heic-missing"
  | "model-unusable"
  | "run-failed";

export interface Advice {
  readonly code: AdviceCode;
  /** What is the matter, and what to do. */
  readonly text: string;
}

/** What is there for tagging photos, what works, and what to change. */
export interface Diagnosis {
  readonly ramplus: string;
  readonly node: NodeReport;
  readonly runtime: Checked<RuntimeReport>;
  readonly devices: readonly DeviceReport[];
  readonly cpu: Checked<CpuReport>;
  readonly memory: Checked<MemoryReport>;
  readonly cache: Checked<CacheReport>;
  readonly decoders: Checked<DecoderReport>;
  readonly models: readonly (ModelReport | { readonly folder: string; readonly problem: string })[];
  readonly run: Checked<TimedRun>;
  /** Null where all operators run on the CPU anyway. */
  readonly placement: Checked<Placement> | null;
  readonly advice: readonly Advice[];
  /** Whether photos can be tagged with the model and device asked for. */
  readonly verdict: "works" | "fails" | "model-unusable";
}
