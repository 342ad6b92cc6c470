import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** The native ONNX Runtime that is installed. */
export interface InstalledRuntime {
  readonly version: string;
  /** Folder of its shared libraries for this system. */
  readonly libraries: string;
}

/** A NuGet package that has libraries which the npm package leaves out, as ONNX Runtime's own install script knows it. */
export interface LibraryPackage {
  readonly name: string;
  readonly version: string;
  /** The NuGet service index. */
  readonly index: string;
  /** Entries of the package by the names that they get beside the runtime's libraries. */
  readonly entries: Readonly<Record<string, string>>;
}

const require = createRequire(import.meta.url);

/** The installed native runtime, or null where there is none. */
export function installedRuntime(): InstalledRuntime | null {
  try {
    const file = require.resolve("onnxruntime-node/package.json");
    const { version } = require(file) as { readonly version: string };
    return { version, libraries: join(dirname(file), "bin", "napi-v6", process.platform, process.arch) };
  } catch {
    return null;
  }
}

/** What the install script of onnxruntime-node reads: which package has which files. */
interface InstallMetadata {
  readonly manifests: Readonly<Record<string, Readonly<Record<string, { readonly package: string; readonly path: string }>>>>;
  readonly packages: Readonly<Record<string, { readonly name: string; readonly versions: readonly { readonly feed: string; readonly version: string }[] }>>;
  readonly feeds: Readonly<Record<string, { readonly index: string }>>;
}

/** Files of the CUDA provider; its TensorRT one is another device. */
const cudaFiles = ["libonnxruntime_providers_cuda.so", "libonnxruntime_providers_shared.so"] as const;

/** The package with the CUDA provider that fits the installed runtime, or null where the runtime names none (it does for Linux x64). */
export function cudaPackage(): LibraryPackage | null {
  try {
    const { manifests, packages, feeds } = require("onnxruntime-node/script/install-metadata.js") as InstallMetadata;
    const manifest = Object.entries(manifests).find(([key]) => key.startsWith("linux/x64:cuda"))?.[1];
    if (manifest === undefined) return null;
    const entries = Object.fromEntries(cudaFiles.map((name) => [name, manifest[`./${name}`]!.path]));
    const { name, versions } = packages[manifest[`./${cudaFiles[0]}`]!.package]!;
    const { version, feed } = versions[0]!;
    return { name, version, index: feeds[feed]!.index, entries };
  } catch {
    return null;
  }
}
