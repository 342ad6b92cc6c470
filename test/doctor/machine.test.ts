import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { containerLimits } from "../../src/doctor/container-limits.js";
import { cpuFeatures, inspectCpu, inspectDisk, inspectMemory } from "../../src/doctor/machine.js";

const files = (content: Readonly<Record<string, string>>) => (path: string): string | null => content[path] ?? null;

for (const [what, content, expected] of [
  ["no control groups", {}, { cpus: null, memory: null, memoryUsed: 0 }],
  ["version 2 without limits", { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "max 100000\n", "/sys/fs/cgroup/memory.max": "max\n" }, { cpus: null, memory: null, memoryUsed: 0 }],
  ["version 2", { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "150000 100000\n", "/sys/fs/cgroup/memory.max": "2000\n", "/sys/fs/cgroup/memory.current": "1500\n", "/sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 300\n" }, { cpus: 1.5, memory: 2000, memoryUsed: 1200 }],
  ["version 2, a parent allows less", { "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "9000\n", "/sys/fs/cgroup/a/memory.max": "4000\n", "/sys/fs/cgroup/a/memory.current": "10\n", "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "/sys/fs/cgroup/a/cpu.max": "400000 100000\n" }, { cpus: 4, memory: 4000, memoryUsed: 10 }],
  ["version 1", { "/proc/self/cgroup": "5:memory:/x\n3:cpu,cpuacct:/x\n", "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "5000\n", "/sys/fs/cgroup/memory/x/memory.usage_in_bytes": "700\n", "/sys/fs/cgroup/memory/x/memory.stat": "total_inactive_file 200\n", "/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "50000\n", "/sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n" }, { cpus: 0.5, memory: 5000, memoryUsed: 500 }],
  ["version 1 without limits", { "/proc/self/cgroup": "5:memory:/\n3:cpu:/\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n" }, { cpus: null, memory: null, memoryUsed: 0 }],
] as const) {
  test(`limits of control groups: ${what}`, () => assert.deepEqual(containerLimits(files(content)), expected));
}

test("instruction sets are told by the processor's family, and unknown where the system does not say", () => {
  assert.deepEqual(cpuFeatures("flags\t\t: fpu avx2 avx512f avx512_vnni\n", "x64"), { AVX2: true, "AVX-512": true, "AVX-VNNI": false, "AVX512-VNNI": true, AMX: false });
  assert.deepEqual(cpuFeatures("Features\t: fp asimd asimddp\n", "arm64"), { dotprod: true, i8mm: false });
  assert.equal(cpuFeatures("processor : 0\n", "x64"), null);
  assert.equal(cpuFeatures(null, "x64"), null);
  assert.equal(cpuFeatures("flags : avx2\n", "riscv64"), null);
});

test("memory is what the machine and the container leave", () => {
  const meminfo = "MemTotal: 99 kB\nMemAvailable:       5000 kB\n";
  assert.equal(inspectMemory(files({ "/proc/meminfo": meminfo })).available, 5_120_000);
  const limited = inspectMemory(files({ "/proc/meminfo": meminfo, "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "3000000\n", "/sys/fs/cgroup/memory.current": "1000000\n" }));
  assert.deepEqual([limited.limit, limited.available], [3_000_000, 2_000_000]);
  assert.ok(inspectMemory(files({})).available > 0);
});

test("the processor of this machine has a name and cores; a folder that is not there yet has its disk's space", async () => {
  const { name, cores } = inspectCpu();
  assert.ok(name.length > 0 && cores > 0);
  const { free } = await inspectDisk(join(tmpdir(), "no", "such", "folder"));
  assert.ok(free > 0);
});
