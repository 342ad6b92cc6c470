import { choosePrecision, graphFiles, readModelFolder } from "../bundle/model-folder.js";
import { verifyGraphs } from "../bundle/verify-graphs.js";
import { profiledRun } from "../runtime/profiled-run.js";
import { zeros } from "../tensor/tensor.js";
import type { ChildTask } from "./child-task.js";
import type { Placement } from "./diagnosis.js";
import { profiledAs } from "./providers.js";

/** Runs a model's two graphs on a device, and tells which operators were left to the CPU. Throws a BundleError or RuntimeError. Run it in a process of its own. */
export async function placementOf({ model, device, dtype }: Extract<ChildTask, { readonly kind: "placement" }>): Promise<Placement> {
  const folder = await readModelFolder(model);
  const precision = choosePrecision(folder, dtype);
  await verifyGraphs(folder, precision);
  const { vision, tagging } = graphFiles(folder.folder, precision);
  const { size } = folder.preprocessor;
  const first = await profiledRun({ file: vision }, device, { pixel_values: zeros("float32", [1, 3, size, size]) }, 1);
  const second = await profiledRun({ file: tagging }, device, { image_embeds: first.outputs["image_embeds"]! }, 1);
  const wanted = device === "wasm" ? null : profiledAs[device];
  const [onDevice, onCpu]: [string[], string[]] = [[], []];
  for (const { operators } of [first, second]) {
    // Copies between the two memories are no work of the network.
    for (const [provider, kinds] of Object.entries(operators ?? {})) (provider === wanted ? onDevice : onCpu).push(...kinds.filter((kind) => !kind.startsWith("Memcpy")));
  }
  return { device, onDevice: onDevice.length, onCpu: onCpu.length, cpuOperators: [...new Set(onCpu)].sort() };
}
