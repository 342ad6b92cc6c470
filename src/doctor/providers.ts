import type { Device } from "../runtime/device.js";

/** ONNX Runtime's words for what runs each device in its profile; WebAssembly's build writes none. */
export const profiledAs: Readonly<Record<Exclude<Device, "auto" | "wasm">, string>> = {
  cpu: "CPUExecutionProvider",
  webgpu: "WebGpuExecutionProvider",
  cuda: "CUDAExecutionProvider",
  coreml: "CoreMLExecutionProvider",
  dml: "DmlExecutionProvider",
};
