import { join, resolve } from "node:path";
import type { Precision } from "../bundle/model-config.js";
import { modelsFolder } from "../bundle/models-folder.js";
import { hubCacheFolder } from "../cache-folder.js";
import { packageNodeVersion, packageRoot, packageVersion } from "../package-info.js";
import { devices as allDevices, type Device } from "../runtime/device.js";
import { findModel } from "../tagger/find-model.js";
import { adviceOn, memoryNeeded, modelFaults, type Findings } from "./advice.js";
import type { Checked, DeviceReport, Diagnosis, NodeReport, Placement, TimedRun } from "./diagnosis.js";
import { deviceReport, inShort } from "./device-report.js";
import { findModelFolders, inspectModel } from "./find-models.js";
import { inChild, type ChildOptions } from "./in-child.js";
import { inspectCpu, inspectDisk, inspectMemory } from "./machine.js";

export interface DiagnoseOptions {
  /** Folder or embedded name of the model that the timed run loads. @default the embedded one */
  readonly model?: string;
  /** @default "auto" */
  readonly device?: Device;
  /** @default the model's own */
  readonly dtype?: Precision;
  /** Folders in which model folders are looked for, beside the package's own. @default "models" and the cache of `ramplus pull` */
  readonly folders?: readonly string[];
  /** Folder of downloads. @default that of the Hugging Face hub */
  readonly cache?: string;
  /** Milliseconds that a device may take for one small product. @default 30,000 */
  readonly deviceLimit?: number;
  /** Milliseconds that loading the model and tagging four photos may take. @default 300,000 */
  readonly runLimit?: number;
  readonly signal?: AbortSignal;
  /** Told what is looked at next. */
  readonly onProgress?: (what: string) => void;
}

type ProbedDevice = Exclude<Device, "auto">;

/** A check in this process; what it throws is its finding. */
async function checked<T>(check: () => T | Promise<T>): Promise<Checked<T>> {
  try {
    return { found: await check() };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** The finding alone, without what the process wrote meanwhile. */
const withoutText = <T>(outcome: Checked<T>): Checked<T> => ("found" in outcome ? { found: outcome.found } : { problem: inShort(outcome.problem), ...(outcome.code !== undefined && { code: outcome.code }) });

function inspectNode(): NodeReport {
  const version = process.versions.node;
  const needed = packageNodeVersion();
  const numbers = (text: string): number[] => (text.match(/\d+/g) ?? []).map(Number);
  const [have, least] = [numbers(version), numbers(needed)];
  const difference = least.map((part, i) => (have[i] ?? 0) - part).find((d) => d !== 0) ?? 0;
  return { version, needed, supported: difference >= 0, platform: `${process.platform} ${process.arch}` };
}

async function inspectDevice(device: ProbedDevice, options: ChildOptions): Promise<DeviceReport> {
  const outcome = await inChild({ kind: "device", device }, options);
  return deviceReport(device, outcome, outcome.said);
}

/**
 * Looks at what tagging needs and tries it: Node, ONNX Runtime and each of its devices with a product of known result, processor, memory,
 * disk, decoders, models, and a timed run. Native code runs in processes of its own with a time limit, so that nothing
 * that crashes or hangs stops the rest. Throws the signal's reason when aborted, and a TaggerError for a model's name that is none.
 */
export async function diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
  const { device, dtype, signal, onProgress = () => undefined } = options;
  const [short, long] = [{ limit: options.deviceLimit ?? 30_000, signal }, { limit: options.runLimit ?? 300_000, signal }];
  const model = findModel(options.model);

  onProgress("ONNX Runtime");
  const runtime = withoutText(await inChild({ kind: "runtime" }, short));
  const native = "found" in runtime && runtime.found.native.state === "loaded" ? runtime.found.native.providers : [];
  const offered = allDevices.filter((each): each is ProbedDevice => each === "wasm" || (each !== "auto" && (each === device || native.some(({ name, bundled }) => name === each && bundled))));
  const devices: DeviceReport[] = [];
  for (const each of offered) {
    onProgress(`device ${each}`);
    devices.push(await inspectDevice(each, short));
  }
  onProgress("decoders");
  const decoders = withoutText(await inChild({ kind: "decoders" }, short));
  const [cpu, memory, cache] = [await checked(() => inspectCpu()), await checked(() => inspectMemory()), await checked(() => inspectDisk(options.cache ?? hubCacheFolder()))];

  onProgress("models");
  const folders = [model, ...(await findModelFolders([join(packageRoot(), "models"), ...(options.folders ?? ["models", modelsFolder()])]))];
  const models: Diagnosis["models"][number][] = [];
  const seen = new Set<string>();
  for (const folder of folders) {
    const place = resolve(folder);
    if (!seen.has(place)) models.push(await inspectModel(folder));
    seen.add(place);
  }

  onProgress("a timed run");
  const given = { ...(device !== undefined && { device }), ...(dtype !== undefined && { dtype }) };
  const tooLarge = modelTooLarge(models[0]!, memory, dtype);
  const run: Checked<TimedRun> = tooLarge ?? withoutText(await inChild({ kind: "run", model, ...given }, long));
  const accelerated = device !== undefined && device !== "auto" && device !== "cpu" && device !== "wasm" && "found" in run;
  if (accelerated) onProgress(`where the model runs on ${device}`);
  const placement: Checked<Placement> | null = accelerated ? withoutText(await inChild({ kind: "placement", model, device, ...(dtype !== undefined && { dtype }) }, long)) : null;

  const findings: Findings = { node: inspectNode(), runtime, devices, cpu, memory, cache, decoders, models, run, placement };
  const verdict = "found" in run ? "works" : run.code !== undefined && modelFaults.has(run.code) ? "model-unusable" : "fails";
  return { ramplus: packageVersion(), ...findings, advice: adviceOn(findings, { device, dtype }), verdict };
}

/** A model that cannot fit is not tried: the system would end other programs for it. */
function modelTooLarge(model: Diagnosis["models"][number], memory: Diagnosis["memory"], dtype: Precision | undefined): Checked<never> | null {
  if (!("precisions" in model) || !("found" in memory)) return null;
  const used = model.precisions.find((each) => each.dtype === dtype) ?? model.precisions[0]!;
  const needed = memoryNeeded(used.bytes);
  return needed <= memory.found.available ? null : { problem: `not tried: it needs about ${(needed / 1e9).toFixed(1)} GB of memory, ${(memory.found.available / 1e9).toFixed(1)} GB are available`, code: "little-memory" };
}
