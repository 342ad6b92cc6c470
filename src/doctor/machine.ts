import { statfs } from "node:fs/promises";
import { arch, availableParallelism, cpus, freemem, totalmem } from "node:os";
import { dirname, resolve } from "node:path";
import { containerLimits, readText, type ReadText } from "./container-limits.js";
import type { CacheReport, CpuFeature, CpuReport, MemoryReport } from "./diagnosis.js";

/** Linux's words in /proc/cpuinfo; any of them is enough. */
const flags: Readonly<Record<"x64" | "arm64", Readonly<Partial<Record<CpuFeature, readonly string[]>>>>> = {
  x64: { AVX2: ["avx2"], "AVX-512": ["avx512f"], "AVX-VNNI": ["avx_vnni"], "AVX512-VNNI": ["avx512_vnni"], AMX: ["amx_int8", "amx_bf16"] },
  arm64: { dotprod: ["asimddp"], i8mm: ["i8mm"] },
};

/** Instruction sets by /proc/cpuinfo; null where it is not there or says nothing of the kind. */
export function cpuFeatures(cpuinfo: string | null, architecture: string): CpuReport["features"] {
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo ?? "")?.[1];
  const known = architecture === "x64" || architecture === "arm64" ? flags[architecture] : null;
  if (line === undefined || known === null) return null;
  const present = new Set(line.trim().split(/\s+/));
  return Object.fromEntries(Object.entries(known).map(([feature, words]) => [feature, words.some((word) => present.has(word))]));
}

/** The processor, and what of it this process may use. */
export function inspectCpu(read: ReadText = readText): CpuReport {
  return { name: cpus()[0]?.model.trim() || "unknown", cores: availableParallelism(), limit: containerLimits(read).cpus, features: cpuFeatures(read("/proc/cpuinfo"), arch()) };
}

/** Memory of the machine and of the container. */
export function inspectMemory(read: ReadText = readText): MemoryReport {
  const { memory, memoryUsed } = containerLimits(read);
  const free = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(read("/proc/meminfo") ?? "")?.[1] ?? Number.NaN) * 1024;
  const available = Number.isNaN(free) ? freemem() : free;
  const limit = memory !== null && memory < totalmem() ? memory : null;
  return { total: totalmem(), available: limit === null ? available : Math.max(0, Math.min(available, limit - memoryUsed)), limit };
}

/** Space where a folder is, or would be made. Throws the system's error where no folder above it can be asked. */
export async function inspectDisk(folder: string): Promise<CacheReport> {
  for (let place = resolve(folder); ; place = dirname(place)) {
    try {
      const { bavail, bsize } = await statfs(place);
      return { folder, free: bavail * bsize };
    } catch (error) {
      if (dirname(place) === place) throw error;
    }
  }
}
