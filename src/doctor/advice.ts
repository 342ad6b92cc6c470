import type { Precision } from "../bundle/model-config.js";
import type { Device } from "../runtime/device.js";
import type { Advice, AdviceCode, DeviceReport, Diagnosis } from "./diagnosis.js";

/** What advice is given on. */
export type Findings = Omit<Diagnosis, "advice" | "verdict" | "ramplus">;

/** What was asked for. */
export interface Wanted {
  readonly device?: Device | undefined;
  readonly dtype?: Precision | undefined;
}

/** Memory that a model takes for each byte of its files, and what a process takes beside: 1.9 GB for the published model in full precision. */
const memoryPerByte = 1.3;
const processMemory = 0.2e9;
/** The largest published model: its checkpoint, and the folder made of it. */
const officialMemory = { fp32: 1.9e9, q8: 0.9e9 };
const officialDisk = 4.5e9;
/** A model of more bytes than this gains from 8 bits. */
const largeModel = 0.2e9;

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
const installNative = "ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node";

/** Memory that a process with a model of so many bytes needs, about. */
export function memoryNeeded(modelBytes: number): number {
  return modelBytes * memoryPerByte + processMemory;
}

/** What to change, the weightiest first. */
export function adviceOn(findings: Findings, wanted: Wanted): Advice[] {
  return [...onNode(findings), ...onRun(findings, wanted), ...onRuntime(findings), ...onDevice(findings, wanted), ...onMemory(findings, wanted), ...onProcessor(findings, wanted), ...onDecoders(findings), ...onDisk(findings)];
}

const advice = (code: AdviceCode, text: string): Advice[] => [{ code, text }];

function onNode({ node }: Findings): Advice[] {
  return node.supported ? [] : advice("node-too-old", `Node ${node.version} is too old: ramplus needs ${node.needed}. Install a newer one from nodejs.org.`);
}

/** Errors of the model, whatever the device. */
export const modelFaults: ReadonlySet<string> = new Set(["model-not-found", "bad-config", "bad-version", "missing-file", "bad-tags", "bad-graph", "dtype-unavailable", "model-unusable"]);

function onRun({ run }: Findings, { device }: Wanted): Advice[] {
  if ("found" in run) return [];
  // Advice on memory follows.
  if (run.code === "little-memory") return [];
  // The device's own advice follows.
  if (run.code === "device-unavailable") return advice("device-unavailable", `Photos cannot be tagged with --device ${device ?? "auto"}. Leave --device out to tag on the processor.`);
  if (run.code !== undefined && modelFaults.has(run.code)) return advice("model-unusable", `The model cannot be used: ${run.problem}`);
  return advice("run-failed", `Tagging a photo failed: ${run.problem}`);
}

function onRuntime({ runtime }: Findings): Advice[] {
  if (!("found" in runtime)) return advice("native-runtime-broken", `ONNX Runtime could not be looked at: ${runtime.problem}. Install it again: ${installNative}`);
  const { native } = runtime.found;
  if (native.state === "missing") return advice("native-runtime-missing", `The native ONNX Runtime is not installed, and photos are tagged on WebAssembly, several times slower: ${installNative}`);
  if (native.state === "broken") return advice("native-runtime-broken", `The native ONNX Runtime ${native.version} does not load (${native.problem}), and photos are tagged on WebAssembly, several times slower. Install it again: ${installNative}`);
  return [];
}

function onDevice({ devices, placement, node }: Findings, { device }: Wanted): Advice[] {
  const found: Advice[] = [];
  for (const report of devices) {
    if (report.state === "wrong-result") found.push(...advice("wrong-result", `Device ${report.device} computes wrongly (${report.problem}). Do not use it; update its driver.`));
    else if (report.state === "fell-back") found.push(...advice("device-not-used", `Device ${report.device} was asked for, and ONNX Runtime left the work to the CPU without a word.`));
    // A device that is not here matters to who asked for it.
    else if (report.state === "unavailable" && report.device === device) found.push(...onUnavailable(report, node.platform));
  }
  if (placement !== null && "found" in placement) {
    const { onDevice: there, onCpu, cpuOperators } = placement.found;
    if (there === 0) found.push(...advice("device-not-used", `Device ${placement.found.device} was asked for, and ONNX Runtime ran all ${onCpu} operators of the model on the CPU.`));
    else if (onCpu > there / 10) found.push(...advice("device-not-used", `ONNX Runtime left ${onCpu} of ${onCpu + there} operators of the model to the CPU (${cpuOperators.join(", ")}): device ${placement.found.device} gains little with it.`));
  }
  return found;
}

function onUnavailable({ device, problem = "" }: DeviceReport, platform: string): Advice[] {
  if (device === "webgpu" && /libvulkan/.test(problem)) return advice("webgpu-no-vulkan", "WebGPU needs the Vulkan loader, which is not installed: on Debian and Ubuntu, apt install libvulkan1, and the driver of the graphics card (mesa-vulkan-drivers, or the maker's).");
  if (device === "webgpu" && /adapter/i.test(problem)) return advice("webgpu-no-adapter", "WebGPU finds no graphics card (adapter): install its driver with Vulkan support; in a container, hand the card in (docker run --gpus all, or --device /dev/dri).");
  if (device === "cuda" && platform === "linux x64") return advice("cuda-libraries-missing", `CUDA cannot be used: ${problem}. \`ramplus setup cuda\` fetches ONNX Runtime's CUDA libraries; NVIDIA's driver, CUDA and cuDNN must be installed.`);
  return advice("device-unavailable", `Device ${device} cannot be used: ${problem}`);
}

function modelOf({ models, run }: Findings): Extract<Diagnosis["models"][number], { precisions: unknown }> | undefined {
  const [first] = models;
  const wanted = "found" in run ? models.find(({ folder }) => folder === run.found.model) : first;
  return wanted !== undefined && "precisions" in wanted ? wanted : undefined;
}

function onMemory(findings: Findings, { dtype }: Wanted): Advice[] {
  const { memory } = findings;
  if (!("found" in memory)) return [];
  const { available, limit } = memory.found;
  const where = limit === null ? "" : " within the container's limit";
  const model = modelOf(findings);
  const used = model?.precisions.find((each) => each.dtype === dtype) ?? model?.precisions[0];
  if (used !== undefined && memoryNeeded(used.bytes) > available) return advice("little-memory", `The model in ${used.dtype} needs about ${gigabytes(memoryNeeded(used.bytes))} of memory; ${gigabytes(available)} are available${where}. Use a smaller precision (q8) or give it more memory.`);
  if (available >= officialMemory.fp32) return [];
  const rest = available >= officialMemory.q8 ? `use --dtype q8, which needs ${gigabytes(officialMemory.q8)}` : `q8 needs ${gigabytes(officialMemory.q8)}, too much here as well`;
  return advice("little-memory", `${gigabytes(available)} of memory are available${where}: too little for the official models in fp32 (${gigabytes(officialMemory.fp32)}); ${rest}.`);
}

function onProcessor(findings: Findings, { device = "auto", dtype }: Wanted): Advice[] {
  const { cpu } = findings;
  if (!("found" in cpu)) return [];
  const found: Advice[] = [];
  const { cores, limit, features } = cpu.found;
  if (limit !== null && limit < cores) found.push(...advice("container-cpus", `The container may use ${limit.toFixed(1)} of ${cores} processors: give Tagger.load { threads: ${Math.max(1, Math.floor(limit))} }, or more threads than processors wait for each other.`));
  const model = modelOf(findings);
  const used = model?.precisions.find((each) => each.dtype === dtype) ?? model?.precisions[0];
  if ((device === "auto" || device === "cpu") && used !== undefined && used.dtype !== "q8" && used.bytes > largeModel) {
    const has = model!.precisions.some((each) => each.dtype === "q8");
    const integers = features !== null && Object.entries(features).some(([feature, present]) => present && ["AVX-VNNI", "AVX512-VNNI", "AMX", "dotprod", "i8mm"].includes(feature));
    const how = has ? "tag with --dtype q8" : "make the model folder with --dtype q8";
    if (features === null || integers) found.push(...advice("use-q8", `On a processor without a graphics card 8 bits are faster and take less memory: ${how}.`));
    else found.push(...advice("q8-gains-memory-only", `8 bits take less memory (${how}); this processor has no instructions for them (VNNI), so expect less gain in time than elsewhere.`));
  }
  return found;
}

function onDecoders({ decoders }: Findings): Advice[] {
  if (!("found" in decoders)) return advice("decoders-broken", `The library that reads photos does not work (${decoders.problem}): npm install --include=optional sharp`);
  return decoders.found.heic ? [] : advice("heic-missing", "HEIC photos (iPhone) cannot be read: npm install libheif-js");
}

function onDisk({ cache }: Findings): Advice[] {
  if (!("found" in cache) || cache.found.free >= officialDisk) return [];
  return advice("little-disk", `${gigabytes(cache.found.free)} are free at ${cache.found.folder}; to download and convert an official model takes ${gigabytes(officialDisk)}. Free some, or set HF_HOME to a larger disk.`);
}
