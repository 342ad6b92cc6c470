import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Diagnosis } from "../../src/index.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model-folder.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));
const folder = await temporaryFolder();
const model = join(folder.path, "models", "tiny");
await writeTinyModel(model);
after(() => folder[Symbol.asyncDispose]());

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function doctor(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, "doctor", ...args], { cwd: folder.path, env: { ...process.env, ...env } });
    let [out, err] = ["", ""];
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => (err += data));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

const diagnosed = async (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<{ readonly code: number | null; readonly diagnosis: Diagnosis }> => {
  const { code, out, err } = await doctor([...args, "--json"], env);
  assert.equal(err, "");
  return { code, diagnosis: JSON.parse(out) };
};

/** An environment in which importing the native runtime runs this code instead. */
async function withoutNative(name: string, code: string): Promise<{ readonly NODE_OPTIONS: string }> {
  const hooks = join(folder.path, `${name}-hooks.mjs`);
  await writeFile(hooks, `export const resolve = async (specifier, context, next) => specifier === "onnxruntime-node" ? { url: ${JSON.stringify(`data:text/javascript,${encodeURIComponent(code)}`)}, shortCircuit: true } : next(specifier, context);`);
  const register = join(folder.path, `${name}.mjs`);
  await writeFile(register, `import { register } from "node:module"; register(${JSON.stringify(pathToFileURL(hooks).href)});`);
  return { NODE_OPTIONS: `--import ${pathToFileURL(register).href}` };
}

test("tells what is there, tries the devices and the model, and says that all is well: exit 0", async () => {
  const { code, diagnosis } = await diagnosed(["--model", model]);
  assert.equal(code, 0);
  assert.equal(diagnosis.node.version, process.versions.node);
  assert.ok("found" in diagnosis.runtime && diagnosis.runtime.found.native.state === "loaded");
  assert.deepEqual(diagnosis.devices.filter(({ device }) => device === "cpu" || device === "wasm"), [{ device: "cpu", state: "works" }, { device: "wasm", state: "works" }]);
  assert.ok("found" in diagnosis.decoders && diagnosis.decoders.found.formats.includes("JPEG"));
  assert.ok("found" in diagnosis.run);
  const { run } = diagnosis;
  assert.deepEqual([run.found.model, run.found.device, run.found.dtype], [model, "cpu", "fp32"]);
  assert.ok(run.found.loadMs > 0 && run.found.photoMs > 0 && run.found.peakMemory > 1e7);
  // The model that was asked for, the embedded one, and none twice: models/ of the working folder holds the first.
  assert.deepEqual([diagnosis.models[0]!.folder, diagnosis.models.length], [model, 2]);
  assert.equal(diagnosis.verdict, "works");
});

test("a device that cannot be used is exit 1, with the reason and what to do; the others are tried all the same", async () => {
  const { code, out } = await doctor(["--model", model, "--device", "coreml"]);
  assert.equal(code, 1);
  assert.match(out, /coreml {4}not available: device coreml is not offered/);
  assert.match(out, /cpu {7}works/);
  assert.match(out, /PHOTOS CANNOT BE TAGGED like this\nwhat to change:\n- Photos cannot be tagged with --device coreml\. Leave --device out/);
});

test("a model that cannot be used is exit 3, and the rest is told", async () => {
  const broken = join(folder.path, "broken");
  await writeTinyModel(broken);
  await truncate(join(broken, "onnx", "vision_model.onnx"), 100);
  for (const [path, message] of [[broken, /vision_model\.onnx/], [join(folder.path, "nowhere"), /is not a model folder/]] as const) {
    const { code, diagnosis } = await diagnosed(["--model", path]);
    assert.equal(code, 3);
    assert.deepEqual([diagnosis.verdict, diagnosis.advice[0]!.code], ["model-unusable", "model-unusable"]);
    assert.match(diagnosis.advice[0]!.text, message);
    assert.equal(diagnosis.devices.find(({ device }) => device === "cpu")?.state, "works");
  }
});

test("a native runtime that crashes its process stops nothing else", { skip: process.platform === "win32" && "signals are those of POSIX" }, async () => {
  const { code, diagnosis } = await diagnosed(["--model", model], await withoutNative("crash", 'process.kill(process.pid, "SIGSEGV");'));
  assert.equal(code, 1);
  assert.match("problem" in diagnosis.runtime ? diagnosis.runtime.problem : "", /crashed \(SIGSEGV\)/);
  assert.deepEqual(diagnosis.devices, [{ device: "wasm", state: "works" }]);
  assert.ok("found" in diagnosis.decoders);
  assert.deepEqual(diagnosis.advice.map((advice) => advice.code).sort(), ["native-runtime-broken", "run-failed"]);
});

test("a native library that does not load is told with its reason, and photos are tagged on WebAssembly", async () => {
  const { code, diagnosis } = await diagnosed(["--model", model], await withoutNative("missing", 'throw new Error("libonnxruntime.so.1: GLIBC_2.99 not found");'));
  assert.equal(code, 0);
  assert.ok("found" in diagnosis.runtime && diagnosis.runtime.found.native.state === "broken");
  assert.equal(diagnosis.runtime.found.native.problem, "libonnxruntime.so.1: GLIBC_2.99 not found");
  assert.ok("found" in diagnosis.run && diagnosis.run.found.device === "wasm");
  assert.deepEqual(diagnosis.advice.map((advice) => advice.code), ["native-runtime-broken"]);
});

test("wrong usage is exit 2", async () => {
  const { code, err } = await doctor(["photo.jpg"]);
  assert.equal(code, 2);
  assert.match(err, /doctor takes options only/);
});

const swiftShader = "/usr/lib/chromium/vk_swiftshader_icd.json";
test("WebGPU is tried, and where the model's operators ran is told", { skip: existsSync(swiftShader) ? false : `skipped: ${swiftShader} (Debian's chromium) is not present` }, async () => {
  const { code, diagnosis } = await diagnosed(["--model", model, "--device", "webgpu"], { VK_DRIVER_FILES: swiftShader, LD_LIBRARY_PATH: "/usr/lib/chromium" });
  assert.equal(code, 0);
  assert.equal(diagnosis.devices.find(({ device }) => device === "webgpu")?.state, "works");
  assert.ok("found" in diagnosis.run && diagnosis.run.found.device === "webgpu");
  assert.ok(diagnosis.placement !== null && "found" in diagnosis.placement);
  assert.ok(diagnosis.placement.found.onDevice > 0);
});
