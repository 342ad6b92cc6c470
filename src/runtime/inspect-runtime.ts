import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { loadNative } from "./onnxruntime.js";

/** The native ONNX Runtime as it is installed. */
export type NativeRuntimeReport =
  | { readonly state: "missing" }
  | { readonly state: "broken"; readonly version: string; readonly folder: string; readonly problem: string }
  | { readonly state: "loaded"; readonly version: string; readonly folder: string; readonly providers: readonly { readonly name: string; readonly bundled: boolean }[] };

export interface RuntimeReport {
  readonly native: NativeRuntimeReport;
  /** Version of the WebAssembly runtime, which comes with this package. */
  readonly webAssembly: string;
}

const require = createRequire(import.meta.url);

/** Folder and version of an installed package; null where it is not. */
function installed(name: string): { readonly folder: string; readonly version: string } | null {
  let folder: string;
  try {
    folder = dirname(require.resolve(name));
  } catch {
    return null;
  }
  for (; dirname(folder) !== folder; folder = dirname(folder)) {
    try {
      const { name: found, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { name?: string; version?: string };
      if (found === name) return { folder, version: version ?? "unknown" };
    } catch {
      // No package.json here: look further up.
    }
  }
  return null;
}

/** What of ONNX Runtime is installed, and whether its native library loads. To be asked in a process of its own: a broken library may end it. */
export async function inspectRuntime(): Promise<RuntimeReport> {
  const webAssembly = installed("onnxruntime-web")?.version ?? "missing";
  const place = installed("onnxruntime-node");
  if (place === null) return { native: { state: "missing" }, webAssembly };
  try {
    const native = await loadNative();
    return { native: { state: "loaded", ...place, providers: (native.listSupportedBackends?.() ?? [{ name: "cpu", bundled: true }]).map(({ name, bundled }) => ({ name, bundled })) }, webAssembly };
  } catch (error) {
    return { native: { state: "broken", ...place, problem: (error as Error).message.split("\n")[0]! }, webAssembly };
  }
}
