import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { writeSafetensors } from "../../src/checkpoint/write-safetensors.js";
import type { RamConfig } from "../../src/model/config.js";
import { initialWeights } from "../../src/train/initial-weights.js";
import { smallConfig } from "../small-model.js";
import { temporaryFolder } from "../tiny-model-folder.js";
import { misbehavingServer, sha256, type MisbehavingServer, type ServedFile } from "./misbehaving-server.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));
const token = "hf_secretsecretsecretsecret";
const size = 400_000;
const half = 200_000;
const content = randomBytes(size);
const clip = { "model.safetensors": { bytes: content }, "vocab.json": { bytes: Buffer.from("{}"), lfs: false }, "merges.txt": { bytes: Buffer.from("a b"), lfs: false }, "config.json": { bytes: Buffer.from("{}\n"), lfs: false } };

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Ground extends AsyncDisposable {
  readonly home: string;
  readonly server: MisbehavingServer;
  start(args: readonly string[], env?: Readonly<Record<string, string | undefined>>): { readonly child: ChildProcess; readonly done: Promise<Ran> };
  run(args: readonly string[], env?: Readonly<Record<string, string | undefined>>): Promise<Ran>;
  readonly partial: string;
}

async function ground(files: Readonly<Record<string, ServedFile>> = clip): Promise<Ground> {
  const folder = await temporaryFolder();
  const server = await misbehavingServer(files);
  const home = join(folder.path, "home");
  const start: Ground["start"] = (args, env) => {
    // Nothing of this process's variables: they may name a hub, a cache or a token.
    const child = spawn(process.execPath, [bin, ...args], { cwd: folder.path, env: { PATH: process.env["PATH"] ?? "", HOME: folder.path, HF_HOME: home, HF_ENDPOINT: server.origin, HF_TOKEN: token, RAMPLUS_DEBUG: "1", ...env } });
    let [out, err] = ["", ""];
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => (err += data));
    return { child, done: new Promise((resolve, reject) => child.on("error", reject).on("close", (code) => resolve({ code, out, err }))) };
  };
  return {
    home,
    server,
    start,
    async run(args, env) {
      const ran = await start(args, env).done;
      assert.ok(!`${ran.out}${ran.err}`.includes(token), ran.err);
      return ran;
    },
    partial: join(home, "hub", "models--openai--clip-vit-base-patch16", "blobs", `${sha256(content)}.incomplete`),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const filesUnder = (folder: string): string[] => readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []));

async function untilPartial({ partial }: Ground): Promise<void> {
  while (!existsSync(partial) || statSync(partial).size === 0) await sleep(10);
}

test("a pull that is killed goes on where it was, and ends with the right bytes", async () => {
  await using place = await ground();
  place.server.misbehaviours.push({ kind: "stall", after: half });
  const killed = place.start(["pull", "clip-text"]);
  await untilPartial(place);
  killed.child.kill("SIGKILL");
  assert.equal((await killed.done).code, null);
  const kept = statSync(place.partial).size;
  assert.ok(kept > 0 && kept <= half);
  const { code, out, err } = await place.run(["pull", "clip-text"]);
  assert.equal(code, 0, err);
  const [model] = out.split("\n");
  assert.ok(readFileSync(model!).equals(content));
  assert.equal(place.server.contentRequests()[1]!.headers.range, `bytes=${kept}-`);
  assert.match(err, /model\.safetensors: checking what is here/);
  for (const file of filesUnder(place.home)) assert.ok(!readFileSync(file).includes(token), file);
});

test("an interruption by the person ends with 130 and keeps what came", async () => {
  await using place = await ground();
  place.server.misbehaviours.push({ kind: "stall", after: half });
  const running = place.start(["pull", "clip-text"]);
  await untilPartial(place);
  running.child.kill("SIGINT");
  assert.equal((await running.done).code, 130);
  assert.ok(statSync(place.partial).size > 0);
});

test("two processes that pull the same at once do not disturb each other: one fetches, one waits", async () => {
  await using place = await ground();
  let goOn = (): void => undefined;
  place.server.misbehaviours.push({ kind: "stall", after: half, until: new Promise((resolve) => (goOn = resolve)) });
  const first = place.start(["pull", "clip-text"]);
  await untilPartial(place);
  const second = place.start(["pull", "clip-text"]);
  let waiting = "";
  second.child.stderr!.on("data", (data) => (waiting += data));
  while (!waiting.includes("waiting for another process")) await sleep(10);
  goOn();
  for (const { code, out, err } of await Promise.all([first.done, second.done])) {
    assert.equal(code, 0, err);
    assert.ok(readFileSync(out.split("\n")[0]!).equals(content));
  }
  assert.equal(place.server.contentRequests().filter(({ url }) => url.includes("model.safetensors")).length, 1);
});

test("an official checkpoint is pulled, converted with the published lists and found by its name", async () => {
  const config: RamConfig = { ...smallConfig, modelType: "ram", encoder: { kind: "mobilenet_v2", imageSize: 224 }, tags: 4585, descriptions: 1, head: { width: 16, layers: 1, heads: 4, intermediate: 32 }, similarity: false };
  await using folder = await temporaryFolder();
  const checkpoint = join(folder.path, "ram.safetensors");
  await writeSafetensors(checkpoint, [...initialWeights(config, 1)].map(([name, tensor]) => ({ name, tensor })));
  await using place = await ground({ "ram_swin_large_14m.pth": { bytes: readFileSync(checkpoint) } });
  const photo = join(folder.path, "a.jpg");
  writeFileSync(photo, await sharp({ create: { width: 40, height: 30, channels: 3, background: "teal" } }).jpeg().toBuffer());

  const before = await place.run(["tag", photo, "--model", "ram"]);
  assert.equal(before.code, 3);
  assert.match(before.err, /ram: is not here yet: `ramplus pull ram` downloads and converts it \(model-not-found\)/);

  const pulled = await place.run(["pull", "ram"]);
  assert.equal(pulled.code, 0, pulled.err);
  assert.equal(pulled.out.trim(), join(place.home, "ramplus", "models", "ram"));
  assert.match(pulled.err, /the tag lists come with ramplus/);
  assert.ok(place.server.requests.every(({ headers }) => headers.authorization === `Bearer ${token}`));

  const tagged = await place.run(["tag", photo, "--model", "ram", "--all", "--format", "json"], { HF_ENDPOINT: "http://127.0.0.1:1" });
  assert.equal(tagged.code, 0, tagged.err);
  const { tags } = JSON.parse(tagged.out)[0] as { tags: { en: string; zh: string; threshold: number }[] };
  assert.equal(tags.length, 4585);
  assert.deepEqual([tags[1]!.en, tags[1]!.zh, tags[1]!.threshold], ["3D glasses", "3d眼镜", 0.65]);

  const asked = place.server.requests.length;
  const again = await place.run(["pull", "ram"]);
  assert.match(again.err, /is there already/);
  const half = await place.run(["pull", "ram", "--offline", "--dtype", "fp16"]);
  assert.equal(half.code, 0, half.err);
  assert.match((await place.run(["info", "ram"])).out, /precisions\n {2}fp16 /);
  assert.equal(place.server.requests.length, asked);

  const list = await place.run(["pull", "--list"]);
  assert.match(list.out, /^ram-plus +3\.01 GB +Apache-2\.0 +not here +RAM\+\+/m);
  assert.match(list.out, /^ram +\S+ MB +Apache-2\.0 +converted, files kept/m);

  const cache = await place.run(["cache"]);
  assert.match(cache.out, /^ram +.*converted model/m);
  assert.match(cache.out, /^ram-files +.*downloaded files/m);
  const asks = await place.run(["cache", "clean", "ram-files"]);
  assert.match(asks.out, /would free .*: ramplus cache clean ram-files --yes/);
  assert.equal((await place.run(["cache"])).out, cache.out);
  assert.match((await place.run(["cache", "clean", "ram-files", "--yes"])).out, /freed/);
  assert.equal((await place.run(["tag", photo, "--model", "ram"])).code, 0);
  assert.deepEqual(readdirSync(join(place.home, "hub")), []);
  assert.equal((await place.run(["cache", "clean", "--yes"])).code, 0);
  assert.equal((await place.run(["cache"])).out, "nothing is kept\n");
  assert.equal((await place.run(["cache", "clean", "ram"])).code, 2);
});

test("a place that is taken is said before anything is fetched; a checkpoint that does not convert leaves nothing half-made", async () => {
  await using place = await ground({ "ram_swin_large_14m.pth": { bytes: randomBytes(1000) } });
  const taken = join(place.home, "taken");
  mkdirSync(taken, { recursive: true });
  writeFileSync(join(taken, "letter.txt"), "mine");
  const refused = await place.run(["pull", "ram", "--out", taken]);
  assert.equal(refused.code, 3);
  assert.match(refused.err, /is there and is no model folder/);
  assert.equal(place.server.requests.length, 0);
  assert.deepEqual(readdirSync(taken), ["letter.txt"]);
  const broken = await place.run(["pull", "ram"]);
  assert.equal(broken.code, 1);
  assert.deepEqual(readdirSync(join(place.home, "ramplus", "models")), []);
});

test("wrong usage is exit 2 in one line", async () => {
  await using place = await ground();
  for (const [args, message] of [
    [["pull"], /needs one NAME: ram-plus, ram, clip-text/],
    [["pull", "ram-plsu"], /expected ram-plus, ram, clip-text; did you mean ram-plus\?/],
    [["pull", "clip-text", "--dtype", "fp16"], /clip-text is not converted/],
    [["pull", "--list", "ram"], /takes no NAME/],
    [["cache", "empty"], /expected cache or cache clean/],
    [["setup"], /ramplus setup cuda/],
  ] as const) {
    const { code, out, err } = await place.run(args, { RAMPLUS_DEBUG: "" });
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, message);
    assert.equal(err.trim().split("\n").length, 1);
  }
  const endpoint = await place.run(["pull", "clip-text"], { HF_ENDPOINT: "https://name:password@hub.example" });
  assert.equal(endpoint.code, 2);
  assert.match(endpoint.err, /^ramplus: HF_ENDPOINT: expected an address without user name and password/);
  assert.ok(!endpoint.err.includes("name:password"));
});

test("a token with a line break is refused without showing it; one in the hub's token file is used", async () => {
  await using place = await ground();
  const broken = await place.start(["pull", "clip-text"], { HF_TOKEN: "hf_part\nother" }).done;
  assert.equal(broken.code, 2);
  assert.ok(!/hf_part|other/.test(broken.err), broken.err);
  mkdirSync(place.home);
  writeFileSync(join(place.home, "token"), "hf_of_the_file\n");
  const { code, err } = await place.run(["pull", "clip-text"], { HF_TOKEN: undefined });
  assert.equal(code, 0, err);
  assert.ok(place.server.requests.length > 4 && place.server.requests.every(({ headers }) => headers.authorization === "Bearer hf_of_the_file"));
});

test("refusals, with the server repeating the token, show neither it nor a stack trace", async () => {
  await using place = await ground();
  place.server.misbehaviours.push({ kind: "status", status: 401, headers: { "www-authenticate": token }, body: token });
  const { code, err } = await place.run(["pull", "clip-text"], { RAMPLUS_DEBUG: "" });
  assert.equal(code, 1);
  assert.match(err, /model\.safetensors: .*does not accept the token \(401\).*\(unauthorized\)\n$/);
  assert.ok(!/\n\s+at /.test(err));
});

test("HF_HUB_OFFLINE needs no server for what is here", async () => {
  await using place = await ground();
  const offline = { HF_HUB_OFFLINE: "1", HF_ENDPOINT: "http://127.0.0.1:1" };
  const missing = await place.run(["pull", "clip-text"], offline);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /not in .*nothing is fetched offline.*\(offline\)/);
  assert.equal((await place.run(["pull", "clip-text"])).code, 0);
  const here = await place.run(["pull", "clip-text"], offline);
  assert.equal(here.code, 0, here.err);
  assert.equal(here.out.trim().split("\n").length, 4);
});

test("HF_HUB_CACHE and RAMPLUS_CACHE choose other places", async () => {
  await using place = await ground();
  const env = { HF_HUB_CACHE: join(place.home, "elsewhere"), RAMPLUS_CACHE: join(place.home, "own") };
  const { code, out } = await place.run(["pull", "clip-text"], env);
  assert.equal(code, 0);
  assert.ok(out.startsWith(join(place.home, "elsewhere", "models--openai--clip-vit-base-patch16", "snapshots")));
  assert.ok(existsSync(join(place.home, "own", "pulled")));
  assert.ok(!existsSync(join(place.home, "hub")));
});

test("requests go through the proxy that a variable names, and not where NO_PROXY says so", async () => {
  await using place = await ground();
  const { port } = new URL(place.server.origin);
  const tunnels: string[] = [];
  const proxy = createServer();
  proxy.on("connect", (request, client) => {
    tunnels.push(request.url!);
    const onward = connect(Number(port), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      onward.pipe(client).pipe(onward);
    });
    for (const socket of [client, onward]) socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const through = await place.run(["pull", "clip-text"], { HF_ENDPOINT: "http://hub.invalid", HTTP_PROXY: address });
  assert.equal(through.code, 0, through.err);
  assert.deepEqual([...new Set(tunnels)], ["hub.invalid:80"]);
  const past = await place.run(["pull", "ram", "--no-convert"], { HTTP_PROXY: address, NO_PROXY: "127.0.0.1" });
  assert.match(past.err, /not-found/);
  assert.deepEqual([...new Set(tunnels)], ["hub.invalid:80"]);
  const wrong = await place.run(["pull", "ram", "--no-convert"], { HTTP_PROXY: "socks5://user:password@127.0.0.1:1" });
  assert.match(wrong.err, /expected the address of an HTTP proxy/);
  assert.ok(!wrong.err.includes("password"));
  proxy.closeAllConnections();
  await new Promise((resolve) => proxy.close(resolve));
});

test("https that leads to http is refused, and so is a certificate that nobody vouches for", async (t) => {
  await using folder = await temporaryFolder();
  const [key, cert] = [join(folder.path, "key.pem"), join(folder.path, "cert.pem")];
  try {
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], { stdio: "pipe" });
  } catch {
    return t.skip("skipped: openssl, which makes the server's certificate, is not here");
  }
  await using secure = await misbehavingServer(clip, { key: readFileSync(key), cert: readFileSync(cert) });
  await using place = await ground();
  secure.misbehaviours.push({ kind: "redirect", to: `${place.server.origin}/content/model.safetensors` });
  const trusted = { HF_ENDPOINT: secure.origin, NODE_EXTRA_CA_CERTS: cert };
  const downgraded = await place.run(["pull", "clip-text"], trusted);
  assert.equal(downgraded.code, 1);
  assert.match(downgraded.err, /redirects from https to http, which is not followed.*\(bad-redirect\)/);
  assert.equal(place.server.requests.length, 0);
  assert.equal((await place.run(["pull", "clip-text"], trusted)).code, 0);
  const untrusted = await place.run(["pull", "ram"], { HF_ENDPOINT: secure.origin });
  assert.match(untrusted.err, /its certificate is not trusted .*NODE_EXTRA_CA_CERTS/);
});
