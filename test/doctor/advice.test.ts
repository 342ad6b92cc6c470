import assert from "node:assert/strict";
import { test } from "node:test";
import { adviceOn, type Findings, type Wanted } from "../../src/doctor/advice.js";
import { deviceReport, inShort } from "../../src/doctor/device-report.js";

const sound: Findings = {
  node: { version: "20.20.0", needed: ">=20.9", supported: true, platform: "linux x64" },
  runtime: { found: { native: { state: "loaded", version: "1.30.0", folder: "/x", providers: [{ name: "cpu", bundled: true }] }, webAssembly: "1.30.0" } },
  devices: [
    { device: "cpu", state: "works" },
    { device: "wasm", state: "works" },
  ],
  cpu: { found: { name: "a processor", cores: 8, limit: null, features: { AVX2: true, "AVX-VNNI": false } } },
  memory: { found: { total: 16e9, available: 8e9, limit: null } },
  cache: { found: { folder: "/cache", free: 50e9 } },
  decoders: { found: { sharp: "0.35", libvips: "8", formats: ["JPEG"], heic: true } },
  models: [{ folder: "/models/tiny", precisions: [{ dtype: "fp16", parameters: 5e6, bytes: 11e6 }] }],
  run: { found: { model: "/models/tiny", device: "cpu", dtype: "fp16", loadMs: 1, firstMs: 1, photoMs: 1, peakMemory: 2e8 } },
  placement: null,
};
const large = (...dtypes: readonly ("fp32" | "q8")[]): Partial<Findings> => ({
  models: [{ folder: "/models/large", precisions: dtypes.map((dtype) => ({ dtype, parameters: 330e6, bytes: dtype === "q8" ? 0.35e9 : 1.32e9 })) }],
  run: { found: { ...("found" in sound.run ? sound.run.found : assert.fail()), model: "/models/large", dtype: dtypes[0]! } },
});
const webgpu = (problem: string): Partial<Findings> => ({ devices: [{ device: "webgpu", state: "unavailable", problem }] });
const placed = (onDevice: number, onCpu: number): Partial<Findings> => ({ placement: { found: { device: "webgpu", onDevice, onCpu, cpuOperators: ["Erf"] } } });

test("where all is well there is nothing to change", () => assert.deepEqual(adviceOn(sound, {}), []));

for (const [what, findings, wanted, expected] of [
  ["an old Node", { node: { ...sound.node, version: "18.1.0", supported: false } }, {}, [["node-too-old", /18\.1\.0 is too old: ramplus needs >=20\.9/]]],
  ["no native runtime", { runtime: { found: { native: { state: "missing" }, webAssembly: "1.30.0" } } }, {}, [["native-runtime-missing", /ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node/]]],
  ["a native runtime that does not load", { runtime: { found: { native: { state: "broken", version: "1.30.0", folder: "/x", problem: "GLIBC_2.38 not found" }, webAssembly: "1.30.0" } } }, {}, [["native-runtime-broken", /GLIBC_2\.38 not found/]]],
  ["a runtime that crashes", { runtime: { problem: "its process crashed (SIGILL)" } }, {}, [["native-runtime-broken", /SIGILL/]]],
  ["a device that was not asked for", webgpu("No supported adapters"), {}, []],
  ["no graphics card", webgpu("No supported adapters"), { device: "webgpu" }, [["webgpu-no-adapter", /driver with Vulkan/]]],
  ["no Vulkan", webgpu("No supported adapters (Couldn't load Vulkan: libvulkan.so.1)"), { device: "webgpu" }, [["webgpu-no-vulkan", /apt install libvulkan1/]]],
  ["no CUDA libraries", { devices: [{ device: "cuda", state: "unavailable", problem: "Failed to load shared library" }] }, { device: "cuda" }, [["cuda-libraries-missing", /Failed to load shared library/]]],
  ["a device that computes wrongly", { devices: [{ device: "webgpu", state: "wrong-result", problem: "1, 2" }] }, {}, [["wrong-result", /Do not use it/]]],
  ["a device left out without a word", { devices: [{ device: "webgpu", state: "fell-back" }] }, { device: "webgpu" }, [["device-not-used", /left the work to the CPU without a word/]]],
  ["a model of which nothing runs on the device", placed(0, 118), { device: "webgpu" }, [["device-not-used", /all 118 operators/]]],
  ["a model of which much runs on the CPU", placed(100, 18), { device: "webgpu" }, [["device-not-used", /left 18 of 118 operators.*\(Erf\)/]]],
  ["a model of which one operator runs on the CPU", placed(117, 1), { device: "webgpu" }, []],
  ["too little memory for the model", { ...large("q8"), memory: { found: { total: 16e9, available: 0.5e9, limit: 0.5e9 } } }, {}, [["little-memory", /q8 needs about 0\.7 GB of memory; 0\.5 GB are available within the container's limit/]]],
  ["too little memory for official models in full", { memory: { found: { total: 2e9, available: 1.2e9, limit: null } } }, {}, [["little-memory", /use --dtype q8, which needs 0\.9 GB/]]],
  ["a large model on a processor that knows 8 bits", { ...large("fp32", "q8"), cpu: { found: { name: "x", cores: 8, limit: null, features: { "AVX512-VNNI": true } } } }, {}, [["use-q8", /tag with --dtype q8/]]],
  ["a large model on a processor that does not", large("fp32"), {}, [["q8-gains-memory-only", /make the model folder with --dtype q8/]]],
  ["a large model in 8 bits", large("fp32", "q8"), { dtype: "q8" }, []],
  ["a large model on a graphics card", large("fp32", "q8"), { device: "cuda" }, []],
  ["a container with fewer processors", { cpu: { found: { name: "x", cores: 8, limit: 2.5, features: null } } }, {}, [["container-cpus", /2\.5 of 8 processors: give Tagger\.load \{ threads: 2 \}/]]],
  ["decoders that do not load", { decoders: { problem: "Could not load the sharp module" } }, {}, [["decoders-broken", /npm install --include=optional sharp/]]],
  ["no HEIC", { decoders: { found: { sharp: "0", libvips: "8", formats: [], heic: false } } }, {}, [["heic-missing", /npm install libheif-js/]]],
  ["a full disk", { cache: { found: { folder: "/cache", free: 1e9 } } }, {}, [["little-disk", /1\.0 GB are free at \/cache/]]],
  ["a model that cannot be used", { run: { problem: "x.onnx: broken", code: "bad-graph" } }, {}, [["model-unusable", /x\.onnx: broken/]]],
  ["a model that was not tried for want of memory", { ...large("fp32"), run: { problem: "not tried", code: "little-memory" }, memory: { found: { total: 2e9, available: 1e9, limit: null } } }, { device: "webgpu" }, [["little-memory", /fp32 needs about 1\.9 GB/]]],
  ["a run that crashes", { run: { problem: "its process crashed (SIGSEGV)", code: "crashed" } }, {}, [["run-failed", /SIGSEGV/]]],
] as readonly (readonly [string, Partial<Findings>, Wanted, readonly (readonly [string, RegExp])[]])[]) {
  test(`${what}: ${expected.map(([code]) => code).join(", ") || "nothing to change"}`, () => {
    const advice = adviceOn({ ...sound, ...findings }, wanted);
    assert.deepEqual(advice.map(({ code }) => code), expected.map(([code]) => code));
    advice.forEach(({ text }, i) => assert.match(text, expected[i]![1]));
  });
}

test("a device is judged by its result and by who computed it", () => {
  const right = { right: true, received: [] };
  assert.deepEqual(deviceReport("webgpu", { found: { ...right, providers: ["WebGpuExecutionProvider", "CPUExecutionProvider"] } }, ""), { device: "webgpu", state: "works" });
  assert.deepEqual(deviceReport("cuda", { found: { ...right, providers: ["CPUExecutionProvider"] } }, ""), { device: "cuda", state: "fell-back", problem: "ONNX Runtime let CPUExecutionProvider do the work" });
  assert.deepEqual(deviceReport("wasm", { found: { ...right, providers: null } }, ""), { device: "wasm", state: "works" });
  assert.equal(deviceReport("cpu", { found: { right: false, received: [1, 2], providers: ["CPUExecutionProvider"] } }, "").state, "wrong-result");
  const said = "Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file\n   at x\n";
  assert.equal(deviceReport("webgpu", { problem: "No supported adapters" }, said).problem, "No supported adapters (Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file)");
});

test("ONNX Runtime's errors are told without the places in its source", () => {
  assert.equal(inShort("device webgpu cannot be used: /onnxruntime_src/a/b.cc:136 onnxruntime::f(const X&)::<lambda()> a.status == b was false. Failed to get a WebGPU adapter: No supported adapters\n"), "Failed to get a WebGPU adapter: No supported adapters");
  assert.equal(inShort("Failed to load shared library"), "Failed to load shared library");
});
