import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { cudaFolder } from "../cache-folder.js";
import { installedRuntime, type InstalledRuntime } from "./installed-runtime.js";

const provider = "libonnxruntime_providers_cuda.so";

/**
 * ONNX Runtime loads its providers from the folder that its own library was loaded from. Its library may be loaded by a link:
 * a folder of links to the installed libraries and to the fetched CUDA ones is that folder then, and nothing is written into
 * node_modules. A later load of the same files by their own names finds them loaded already. So this comes before
 * onnxruntime-node is imported; in a process that has imported it by itself before, CUDA stays unavailable. Does nothing
 * where `ramplus setup cuda` has fetched nothing.
 */
export function loadWithCudaLibraries(): void {
  const runtime = installedRuntime();
  if (process.platform !== "linux" || runtime === null || existsSync(join(runtime.libraries, provider)) || !existsSync(join(cudaFolder(runtime.version), provider))) return;
  try {
    process.dlopen({ exports: {} } as NodeJS.Module, join(linksFolder(runtime), "onnxruntime_binding.node"));
  } catch {
    // A cache that cannot be written or a damaged one: the runtime loads as usual, and asking for CUDA says what is missing.
  }
}

/** The folder of links for an installed runtime: made at first use, since several installations may share the cache. */
function linksFolder({ version, libraries }: InstalledRuntime): string {
  const fetched = cudaFolder(version);
  const folder = join(fetched, `links-${createHash("sha256").update(libraries).digest("hex").slice(0, 16)}`);
  const links = new Map([fetched, libraries].flatMap((from) => readdirSync(from).flatMap((name) => (/\.(so(\.\d+)*|node)$/.test(name) ? [[name, join(from, name)] as const] : []))));
  const holds = (name: string, target: string): boolean => {
    try {
      return readlinkSync(join(folder, name)) === target;
    } catch {
      return false;
    }
  };
  if ([...links].every(([name, target]) => holds(name, target))) return folder;
  const part = `${folder}.${process.pid}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part);
  for (const [name, target] of links) symlinkSync(target, join(part, name));
  try {
    rmSync(folder, { recursive: true, force: true });
    renameSync(part, folder);
  } catch (cause) {
    // Another process has made the same folder meanwhile.
    rmSync(part, { recursive: true, force: true });
    if (![...links].every(([name, target]) => holds(name, target))) throw cause;
  }
  return folder;
}

/** Why the CUDA provider cannot be loaded, with what to do, or null where nothing speaks against it. */
export function cudaProblem(): string | null {
  const runtime = installedRuntime();
  if (runtime === null) return "the native ONNX Runtime is not installed: npm install onnxruntime-node";
  if (process.platform !== "linux") return null;
  const file = [runtime.libraries, cudaFolder(runtime.version)].map((folder) => join(folder, provider)).find((each) => existsSync(each));
  if (file === undefined) return `ONNX Runtime's CUDA libraries are not here: \`ramplus setup cuda\` fetches those of version ${runtime.version}`;
  const missing = missingLibraries(file);
  if (missing.length === 0) return null;
  return `${file} needs ${missing.join(", ")}, not found on this system: install NVIDIA's CUDA libraries of these versions (cuDNN too), or name their folder in LD_LIBRARY_PATH`;
}

/** Libraries that a shared library needs and the system's loader does not find; empty too where that cannot be told. */
export function missingLibraries(file: string): string[] {
  try {
    const text = execFileSync("ldd", [file], { encoding: "utf8", timeout: 20_000, stdio: ["ignore", "pipe", "ignore"] });
    return [...text.matchAll(/^\s*(\S+) => not found$/gm)].map(([, name]) => name!).filter((name) => !name.startsWith("libonnxruntime"));
  } catch {
    return [];
  }
}
