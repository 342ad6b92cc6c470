import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { HubError } from "../../src/hub/hub-error.js";
import type { HubSettings } from "../../src/hub/hub-settings.js";
import { setupCuda, type SetupCudaOptions } from "../../src/hub/setup-cuda.js";
import { cudaPackage, installedRuntime } from "../../src/runtime/installed-runtime.js";
import { temporaryFolder } from "../tiny-model-folder.js";
import { misbehavingServer, type Misbehaviour, type MisbehavingServer } from "./misbehaving-server.js";
import { zipArchive } from "./zip-archive.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));
const wanted = cudaPackage()!;
const runtime = installedRuntime()!;
const id = wanted.name.toLowerCase();
const linux = { platform: "linux", arch: "x64" };
const names = ["libonnxruntime_providers_cuda.so", "libonnxruntime_providers_shared.so"];
const here = process.platform === "linux" && process.arch === "x64" ? false : "skipped: ONNX Runtime's CUDA libraries are for Linux x64";

/** A package with these contents of the two libraries, beside entries whose names lead elsewhere. */
function nupkg(cuda: Buffer | string, shared: Buffer | string): Buffer {
  const entries = Object.entries(wanted.entries).map(([name, path]) => ({ path, bytes: Buffer.from(name === names[0] ? cuda : shared) }));
  return zipArchive([{ path: "lib/readme.txt", bytes: Buffer.from("text") }, ...entries]);
}

interface Ground extends AsyncDisposable {
  readonly server: MisbehavingServer;
  readonly settings: HubSettings;
  readonly index: URL;
  readonly folder: string;
  setup(options?: SetupCudaOptions): ReturnType<typeof setupCuda>;
}

async function ground(archive: Buffer, ...misbehaviours: readonly Misbehaviour[]): Promise<Ground> {
  const folder = await temporaryFolder();
  const file = `${id}/${wanted.version}/${id}.${wanted.version}.nupkg`;
  const server = await misbehavingServer({ [file]: { bytes: archive } });
  server.misbehaviours.push(...misbehaviours);
  server.documents.set("/v3/index.json", {
    resources: [
      { "@type": "PackageBaseAddress/3.0.0", "@id": `${server.origin}/content/` },
      { "@type": "RegistrationsBaseUrl", "@id": `${server.origin}/registration` },
    ],
  });
  server.documents.set(`/registration/${id}/${wanted.version}.json`, { catalogEntry: `${server.origin}/catalog.json` });
  server.documents.set("/catalog.json", { packageHash: createHash("sha512").update(archive).digest("base64"), packageHashAlgorithm: "SHA512", packageSize: archive.length });
  const settings: HubSettings = { hubCache: join(folder.path, "hub"), cache: join(folder.path, "ramplus"), endpoint: new URL("http://127.0.0.1:1"), token: "hf_secret", offline: false };
  const index = new URL(`${server.origin}/v3/index.json`);
  return {
    server,
    settings,
    index,
    folder: join(settings.cache, "cuda", `onnxruntime-${runtime.version}`),
    setup: (options) => setupCuda({ settings, index, system: linux, timing: { attempts: 3, leastBytes: 1, wait: async () => undefined }, ...options }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("the package that ONNX Runtime's install script names is fetched after its size is said, and only the libraries are kept", async () => {
  const archive = nupkg("cuda", "shared");
  await using place = await ground(archive, { kind: "drop", after: 100 });
  const said: unknown[] = [];
  const result = await place.setup({ onStart: (start) => said.push({ ...start, asked: place.server.contentRequests().length }) });
  assert.deepEqual(said, [{ name: "Microsoft.ML.OnnxRuntime.Gpu.Linux", version: runtime.version, bytes: archive.length, asked: 0 }]);
  assert.deepEqual({ ...result }, { version: runtime.version, folder: place.folder, from: "nuget" });
  assert.deepEqual(readdirSync(place.folder).sort(), names);
  assert.equal(readFileSync(join(place.folder, names[0]!), "utf8"), "cuda");
  assert.deepEqual(readdirSync(join(place.settings.cache, "cuda")), [`onnxruntime-${runtime.version}`]);
  assert.ok(place.server.requests.every(({ headers }) => headers.authorization === undefined));
  const asked = place.server.requests.length;
  assert.equal((await place.setup({ offline: true })).from, "cache");
  assert.equal(place.server.requests.length, asked);
});

const fails = (work: Promise<unknown>, code: HubError["code"], message: RegExp): Promise<void> => assert.rejects(work, (error: unknown) => error instanceof HubError && error.code === code && message.test(error.message));

test("elsewhere than on Linux x64, offline and without a hash it is an error that says what to do", async () => {
  await using place = await ground(nupkg("cuda", "shared"));
  await fails(place.setup({ system: { platform: "darwin", arch: "arm64" } }), "unsupported-platform", /Linux x64, and this is darwin arm64: use --device coreml/);
  await fails(place.setup({ offline: true }), "offline", /not in the cache/);
  assert.equal(place.server.requests.length, 0);
  place.server.documents.set("/catalog.json", { packageSize: 4 });
  await fails(place.setup(), "bad-answer", /announces no SHA512 hash.*RAMPLUS_NUGET_INDEX/);
  place.server.documents.set("/v3/index.json", { resources: "none" });
  await fails(place.setup(), "bad-answer", /has no RegistrationsBaseUrl/);
  place.server.documents.delete("/v3/index.json");
  await fails(place.setup(), "not-found", /v3\/index\.json/);
});

test("a package with wrong bytes, without the libraries, or that is no archive leaves nothing", async () => {
  const twice = { kind: "corrupt", at: 40 } as const;
  for (const [archive, misbehaviours, code] of [
    [nupkg("cuda", "shared"), [twice, twice], "wrong-hash"],
    [Buffer.from("no archive at all"), [], "bad-archive"],
    [zipArchive([{ path: `../${wanted.entries[names[0]!]}`, bytes: Buffer.from("x") }]), [], "bad-archive"],
    [zipArchive([{ path: "something/else.so", bytes: Buffer.from("x") }]), [], "bad-archive"],
    [nupkg("cuda", "shared").subarray(0, 200), [], "bad-archive"],
  ] as const) {
    await using place = await ground(archive, ...misbehaviours);
    await fails(place.setup(), code, /./);
    assert.ok(!existsSync(place.folder));
    assert.deepEqual(readdirSync(join(place.settings.cache, "cuda")).filter((name) => name.endsWith(".part")), []);
  }
});

test("a compressed entry whose size is a lie is refused", async () => {
  const path = wanted.entries[names[0]!]!;
  await using place = await ground(zipArchive([{ path, bytes: deflateRawSync(Buffer.alloc(100_000)), method: 8, size: 10 }, { path: wanted.entries[names[1]!]!, bytes: Buffer.from("x") }]));
  await fails(place.setup(), "bad-archive", /cannot be unpacked/);
});

interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line with a cache in a folder. */
function ramplus(folder: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], { encoding: "utf8", env: { PATH: process.env["PATH"] ?? "", HOME: folder, HF_HOME: folder, ...env } });
  return { status, out: stdout, err: stderr };
}

const photo = "examples/cat.jpg";

test("without the libraries --device cuda says which command fetches them, and the rest works", { skip: here }, async () => {
  await using folder = await temporaryFolder();
  const { status, err } = ramplus(folder.path, ["tag", photo, "--device", "cuda"]);
  assert.equal(status, 3);
  assert.match(err, /device cuda cannot be used: ONNX Runtime's CUDA libraries are not here: `ramplus setup cuda` fetches those of version 1\..*\(device-unavailable\)\n$/);
  assert.equal(ramplus(folder.path, ["tag", photo, "--top", "1"]).status, 0);
});

/** A shared library that needs others which no system has, or null where there is no compiler. */
function libraryThatNeeds(folder: string, missing: readonly string[]): Buffer | null {
  try {
    writeFileSync(join(folder, "empty.c"), "");
    for (const name of missing) execFileSync("gcc", ["-shared", "-o", join(folder, name), `-Wl,-soname,${name}`, join(folder, "empty.c")], { stdio: "pipe" });
    execFileSync("gcc", ["-shared", "-o", join(folder, "needs.so"), join(folder, "empty.c"), "-Wl,--no-as-needed", ...missing.map((name) => join(folder, name))], { stdio: "pipe" });
    return readFileSync(join(folder, "needs.so"));
  } catch {
    return null;
  }
}

test("a CUDA library whose own libraries are missing is an error that names them", { skip: here }, async (t) => {
  await using folder = await temporaryFolder();
  const library = libraryThatNeeds(folder.path, ["libcudart.so.99", "libcudnn.so.98"]);
  if (library === null) return t.skip("skipped: gcc, which makes the library, is not here");
  await using place = await ground(nupkg(library, "shared"));
  await place.setup();
  const { status, err } = ramplus(folder.path, ["tag", photo, "--device", "cuda"], { RAMPLUS_CACHE: place.settings.cache });
  assert.equal(status, 3);
  assert.match(err, /needs libcudart\.so\.99, libcudnn\.so\.98, not found on this system: install NVIDIA's CUDA libraries/);
});

test("ONNX Runtime loads its CUDA provider from the cache, the processor works from the same place, and node_modules stays as it is", { skip: here }, async (t) => {
  await using folder = await temporaryFolder();
  const library = libraryThatNeeds(folder.path, []);
  if (library === null) return t.skip("skipped: gcc, which makes the library, is not here");
  // A library without the provider's functions: ONNX Runtime finds it, tries it, and says where.
  await using place = await ground(nupkg(library, library));
  const before = readdirSync(runtime.libraries);
  mkdirSync(place.settings.cache, { recursive: true });
  const env = { RAMPLUS_CACHE: place.settings.cache, RAMPLUS_NUGET_INDEX: place.index.href };
  await place.setup();
  const cuda = ramplus(folder.path, ["tag", photo, "--device", "cuda"], env);
  assert.equal(cuda.status, 3, cuda.err);
  assert.match(cuda.err, new RegExp(`${place.folder}/links-[0-9a-f]{16}/libonnxruntime_providers_(shared|cuda)\\.so`));
  const cpu = ramplus(folder.path, ["tag", photo, "--top", "1", "--format", "json"], env);
  assert.equal(cpu.status, 0, cpu.err);
  assert.equal(cpu.out.replace(/"ms":\{.*?\}/g, ""), ramplus(folder.path, ["tag", photo, "--top", "1", "--format", "json"]).out.replace(/"ms":\{.*?\}/g, ""));
  assert.deepEqual(readdirSync(runtime.libraries), before);
});

test("setup cuda as a command: the size on standard error, the folder on standard output, and what is still missing", { skip: here }, async () => {
  await using folder = await temporaryFolder();
  await using place = await ground(nupkg("no library", "no library"));
  const { spawn } = await import("node:child_process");
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder.path, HF_HOME: folder.path, RAMPLUS_NUGET_INDEX: place.index.href };
  const child = spawn(process.execPath, [bin, "setup", "cuda"], { env });
  let [out, err] = ["", ""];
  child.stdout.on("data", (data) => (out += data));
  child.stderr.on("data", (data) => (err += data));
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 0, err);
  assert.match(err, /^ramplus: fetching Microsoft\.ML\.OnnxRuntime\.Gpu\.Linux 1\.\S+, \d+ bytes\n/);
  assert.match(out, /ramplus\/cuda\/onnxruntime-1\.\S+: CUDA libraries of ONNX Runtime 1\./);
  assert.match(err, /not yet usable: device cuda cannot be used/);
});
