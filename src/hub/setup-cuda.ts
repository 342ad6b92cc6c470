import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { cudaFolder } from "../cache-folder.js";
import { cudaPackage, installedRuntime } from "../runtime/installed-runtime.js";
import { fileSize, makeFolder, writeFault } from "./disk.js";
import { downloadFile } from "./download-file.js";
import { extractEntries } from "./extract-entries.js";
import { HttpClient } from "./http-client.js";
import { HubError } from "./hub-error.js";
import { hubSettings, webAddress } from "./hub-settings.js";
import { findNugetPackage } from "./nuget.js";
import type { PullOptions } from "./pull-model.js";
import { usualTiming } from "./timing.js";

export interface SetupCudaOptions extends Pick<PullOptions, "offline" | "signal" | "onProgress" | "settings" | "timing"> {
  /** Told before anything is fetched. */
  readonly onStart?: (start: { readonly name: string; readonly version: string; readonly bytes: number }) => void;
  /** A NuGet V3 index. @default RAMPLUS_NUGET_INDEX, else the one that ONNX Runtime's install script uses */
  readonly index?: URL;
  /** @default that of this process */
  readonly system?: { readonly platform: string; readonly arch: string };
}

export interface SetupCudaResult {
  /** Version of ONNX Runtime that the libraries belong to. */
  readonly version: string;
  readonly folder: string;
  /** Whether they were fetched now, or were here. */
  readonly from: "nuget" | "cache";
}

/**
 * Fetches ONNX Runtime's CUDA libraries of the installed version into the cache, from where sessions find them; node_modules
 * stays as it is. NVIDIA's own libraries (CUDA, cuDNN) are not part of it. Throws a HubError that says what to do.
 */
export async function setupCuda(options: SetupCudaOptions = {}): Promise<SetupCudaResult> {
  const { platform, arch } = options.system ?? process;
  if (platform !== "linux" || arch !== "x64") throw new HubError("unsupported-platform", "cuda", `ONNX Runtime has CUDA libraries for Linux x64, and this is ${platform} ${arch}: use --device ${platform === "darwin" ? "coreml or webgpu" : platform === "win32" ? "dml or webgpu" : "cpu"}`);
  const runtime = installedRuntime();
  const wanted = cudaPackage();
  if (runtime === null || wanted === null) throw new HubError("runtime-missing", "onnxruntime-node", runtime === null ? "is not installed: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node" : `${runtime.version} does not say which package has its CUDA libraries: install the version that ramplus asks for`);
  const settings = options.settings ?? hubSettings();
  const folder = cudaFolder(runtime.version, settings.cache);
  const names = Object.keys(wanted.entries);
  const here = await Promise.all(names.map((name) => fileSize(join(folder, name))));
  if (here.every((size) => size !== null)) return { version: runtime.version, folder, from: "cache" };
  if (options.offline ?? settings.offline) throw new HubError("offline", "cuda", "the CUDA libraries are not in the cache, and nothing is fetched offline: run once without --offline (HF_HUB_OFFLINE)");

  const { signal } = options;
  const timing = { ...usualTiming, ...options.timing };
  const mirror = process.env["RAMPLUS_NUGET_INDEX"];
  const index = options.index ?? webAddress("RAMPLUS_NUGET_INDEX", mirror === undefined || mirror === "" ? wanted.index : mirror);
  // The hub's token is none of this server's business.
  await using client = new HttpClient({ timing });
  const { url, size, digest } = await findNugetPackage({ client, timing, ...(signal === undefined ? {} : { signal }) }, index, wanted.name, wanted.version);
  options.onStart?.({ name: wanted.name, version: wanted.version, bytes: size });
  const archive = join(settings.cache, "cuda", `${wanted.name}.${wanted.version}.nupkg`);
  const common = { ...(signal === undefined ? {} : { signal }), ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }) };
  await downloadFile(client, { name: `${wanted.name} ${wanted.version}`, url, file: archive, size, digest }, { stateFolder: join(settings.cache, "downloads"), timing, ...common });
  const part = `${folder}.${process.pid}.part`;
  try {
    await makeFolder(part);
    await extractEntries(archive, wanted.entries, part, signal);
    await rm(folder, { recursive: true, force: true });
    await rename(part, folder).catch((cause) => {
      throw writeFault(cause, folder);
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  await rm(archive, { force: true });
  return { version: runtime.version, folder, from: "nuget" };
}
