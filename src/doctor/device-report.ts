import type { Device } from "../runtime/device.js";
import type { DeviceProbe } from "./child-task.js";
import type { Checked, DeviceReport } from "./diagnosis.js";
import { profiledAs } from "./providers.js";

/** What a runtime says, in short: without the places in its own source, and without the words that ramplus puts before it. */
export function inShort(problem: string): string {
  return problem.replace(/^device \w+ cannot be used: /, "").replace(/^\/\S*onnxruntime_src.*? was false\. /s, "").replace(/\s+/g, " ").trim();
}

/** Judges a device by the product that was computed on it; `said` is what the libraries wrote meanwhile. */
export function deviceReport(device: Exclude<Device, "auto">, outcome: Checked<DeviceProbe>, said: string): DeviceReport {
  if (!("found" in outcome)) {
    // Dawn tells why there is no Vulkan on standard error alone.
    const vulkan = /Couldn't load Vulkan: [^\n]*/.exec(said)?.[0];
    return { device, state: "unavailable", problem: inShort(outcome.problem) + (vulkan === undefined ? "" : ` (${vulkan})`) };
  }
  const { right, received, providers } = outcome.found;
  if (!right) return { device, state: "wrong-result", problem: `a product of whole numbers came out as ${received.join(", ")}` };
  if (device !== "wasm" && providers !== null && !providers.includes(profiledAs[device])) return { device, state: "fell-back", problem: `ONNX Runtime let ${providers.join(", ") || "nobody"} do the work` };
  return { device, state: "works" };
}
