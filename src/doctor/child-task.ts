import type { Precision } from "../bundle/model-config.js";
import type { DecoderReport } from "../image/inspect-decoders.js";
import type { Device } from "../runtime/device.js";
import type { RuntimeReport } from "../runtime/inspect-runtime.js";
import type { Placement, TimedRun } from "./diagnosis.js";

/** A check that runs native code, which may end or stop its process: each in a process of its own. */
export type ChildTask =
  | { readonly kind: "runtime" }
  | { readonly kind: "decoders" }
  | { readonly kind: "device"; readonly device: Exclude<Device, "auto"> }
  | { readonly kind: "run"; readonly model: string; readonly device?: Device; readonly dtype?: Precision }
  | { readonly kind: "placement"; readonly model: string; readonly device: Exclude<Device, "auto">; readonly dtype?: Precision };

/** A product of known result on a device. */
export interface DeviceProbe {
  readonly right: boolean;
  /** What was computed, where it is not right. */
  readonly received: readonly number[];
  /** Execution providers that did the work, in ONNX Runtime's words; null: WebAssembly, which has one only. */
  readonly providers: readonly string[] | null;
}

/** What each kind of task finds. */
export interface ChildFindings {
  readonly runtime: RuntimeReport;
  readonly decoders: DecoderReport;
  readonly device: DeviceProbe;
  readonly run: TimedRun;
  readonly placement: Placement;
}

/** What the process says at its end. */
export type ChildReply = { readonly found: unknown } | { readonly problem: string; readonly code: string };
