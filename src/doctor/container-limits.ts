import { readFileSync } from "node:fs";

/** A text file of the system's, or null where it is not there. */
export type ReadText = (path: string) => string | null;

export const readText: ReadText = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
};

export interface ContainerLimits {
  /** Processors' worth of time; null: no limit. */
  readonly cpus: number | null;
  /** Bytes; null: no limit. */
  readonly memory: number | null;
  /** Bytes of that limit in use, without what the system gives back when asked. */
  readonly memoryUsed: number;
}

const root = "/sys/fs/cgroup";
/** Version 1 writes "no limit" as the largest number of pages. */
const unlimited = 2 ** 60;

/** The folders from a group's own up to the root: each may set a limit, and the smallest counts. */
function foldersUpwards(base: string, path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return Array.from({ length: parts.length + 1 }, (_, i) => [base, ...parts.slice(0, parts.length - i)].join("/"));
}

const smallest = (values: readonly (number | null)[]): number | null => values.reduce((least, value) => (value !== null && (least === null || value < least) ? value : least), null);

/** What control groups of Linux (versions 2 and 1) allow this process; no limits on other systems. */
export function containerLimits(read: ReadText = readText): ContainerLimits {
  const groups = new Map((read("/proc/self/cgroup") ?? "").split("\n").flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    return controllers === undefined ? [] : controllers.split(",").map((controller) => [controller, path!] as const);
  }));
  const number = (path: string): number | null => {
    const value = Number.parseInt(read(path) ?? "", 10);
    return Number.isFinite(value) && value >= 0 && value < unlimited ? value : null;
  };
  const unified = foldersUpwards(root, groups.get("") ?? "");
  const cpuFolders = foldersUpwards(`${root}/cpu`, groups.get("cpu") ?? "");
  const memoryFolders = foldersUpwards(`${root}/memory`, groups.get("memory") ?? "");
  const cpuMax = (folder: string): number | null => {
    const [, quota, period] = /^(\d+) (\d+)/.exec(read(`${folder}/cpu.max`) ?? "") ?? [];
    return quota === undefined ? null : Number(quota) / Number(period);
  };
  const cpuQuota = (folder: string): number | null => {
    const [quota, period] = [number(`${folder}/cpu.cfs_quota_us`), number(`${folder}/cpu.cfs_period_us`)];
    return quota === null || period === null || period === 0 ? null : quota / period;
  };
  const limits = [
    ...unified.map((folder) => ({ limit: number(`${folder}/memory.max`), used: number(`${folder}/memory.current`), stat: `${folder}/memory.stat` })),
    ...memoryFolders.map((folder) => ({ limit: number(`${folder}/memory.limit_in_bytes`), used: number(`${folder}/memory.usage_in_bytes`), stat: `${folder}/memory.stat` })),
  ];
  const memory = smallest(limits.map(({ limit }) => limit));
  const at = limits.find(({ limit }) => limit === memory && memory !== null);
  const givenBack = Number(/^(?:total_)?inactive_file (\d+)$/m.exec(at === undefined ? "" : (read(at.stat) ?? ""))?.[1] ?? 0);
  return { cpus: smallest([...unified.map(cpuMax), ...cpuFolders.map(cpuQuota)]), memory, memoryUsed: Math.max(0, (at?.used ?? 0) - givenBack) };
}
