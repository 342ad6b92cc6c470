import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cacheFolder, hubCacheFolder } from "../../src/cache-folder.js";
import { lockFile } from "../../src/hub/file-lock.js";
import type { HubSettings } from "../../src/hub/hub-settings.js";
import { cleanCache, listCache, listOfficialModels } from "../../src/hub/list-cache.js";
import { officialFiles } from "../../src/hub/official-files.js";
import { pullModel } from "../../src/hub/pull-model.js";
import { tagLists } from "../../src/hub/tag-lists.js";
import { temporaryFolder } from "../tiny-model-folder.js";
import { misbehavingServer, sha256, type MisbehavingServer } from "./misbehaving-server.js";

const weights = randomBytes(5000);

interface Ground extends AsyncDisposable {
  readonly server: MisbehavingServer;
  readonly settings: HubSettings;
  readonly repository: string;
}

/** CLIP's files were pulled. */
async function pulledClip(): Promise<Ground> {
  const folder = await temporaryFolder();
  const server = await misbehavingServer(Object.fromEntries(officialFiles["clip-text"].files.map(({ path }, i) => [path, { bytes: i === 0 ? weights : Buffer.from(path), lfs: i === 0 }])));
  const settings: HubSettings = { hubCache: join(folder.path, "hub"), cache: join(folder.path, "ramplus"), endpoint: new URL(server.origin), token: null, offline: false };
  await pullModel("clip-text", { settings });
  return {
    server,
    settings,
    repository: join(settings.hubCache, "models--openai--clip-vit-base-patch16"),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("what was pulled is listed with its size, and freeing it leaves no trace in the hub's cache", async () => {
  await using place = await pulledClip();
  const [entry, ...rest] = await listCache(place);
  assert.deepEqual(rest, []);
  assert.equal(entry!.name, "clip-text-files");
  assert.equal(entry!.bytes, 5000 + "vocab.jsonmerges.txtconfig.json".length);
  assert.ok(entry!.whole);
  assert.ok((await listOfficialModels(place)).find(({ name }) => name === "clip-text")!.downloaded);
  await cleanCache("all", place);
  assert.deepEqual(readdirSync(place.settings.hubCache), []);
  assert.deepEqual(await listCache(place), []);
  assert.ok(!(await listOfficialModels(place)).find(({ name }) => name === "clip-text")!.downloaded);
});

test("files and repositories of other programs stay, and so does a content that their snapshot shows", async () => {
  await using place = await pulledClip();
  const others = join(place.settings.hubCache, "models--other--model", "blobs");
  mkdirSync(others, { recursive: true });
  writeFileSync(join(others, "0".repeat(40)), "other");
  const snapshot = join(place.repository, "snapshots", "7".repeat(40));
  mkdirSync(snapshot, { recursive: true });
  symlinkSync(join("..", "..", "blobs", sha256(weights)), join(snapshot, "model.safetensors"));
  writeFileSync(join(place.repository, "blobs", "1".repeat(40)), "theirs");
  await cleanCache("all", place);
  assert.ok(existsSync(join(others, "0".repeat(40))));
  assert.ok(readFileSync(join(snapshot, "model.safetensors")).equals(weights));
  assert.deepEqual(readdirSync(join(place.repository, "blobs")).sort(), ["1".repeat(40), sha256(weights)].sort());
  assert.deepEqual(readdirSync(join(place.repository, "snapshots")), ["7".repeat(40)]);
});

test("files that another program fetched are used and not listed as ours", async () => {
  await using place = await pulledClip();
  const settings = { ...place.settings, cache: join(place.settings.cache, "..", "fresh") };
  const { files } = await pullModel("clip-text", { settings });
  assert.ok(files.every(({ from }) => from === "cache"));
  assert.deepEqual(await listCache({ settings }), []);
  await cleanCache("all", { settings });
  assert.ok(files.every(({ file }) => existsSync(file)));
});

test("records that lead out of the cache remove nothing", async () => {
  await using place = await pulledClip();
  const outside = join(place.settings.cache, "..", "outside");
  writeFileSync(outside, "keep");
  const record = join(place.settings.cache, "pulled", "models--openai--clip-vit-base-patch16", place.server.commit);
  writeFileSync(join(record, "evil"), "../../../outside\n");
  mkdirSync(join(place.settings.cache, "pulled", "models--openai--clip-vit-base-patch16", ".."), { recursive: true });
  await cleanCache("all", place);
  assert.equal(readFileSync(outside, "utf8"), "keep");
});

test("an interrupted download is listed as such and freed; one in work by another process is not", async () => {
  await using place = await pulledClip();
  await cleanCache("all", place);
  place.server.misbehaviours.push({ kind: "stall", after: 3000 });
  const abort = new AbortController();
  const onProgress = ({ received }: { readonly received: number }): void => void (received > 0 && abort.abort(new Error("enough")));
  await assert.rejects(pullModel("clip-text", { settings: place.settings, signal: abort.signal, onProgress }), /enough/);
  const [entry] = await listCache(place);
  assert.ok(!entry!.whole);
  assert.ok(entry!.bytes > 0 && entry!.bytes <= 3000);
  const held = await lockFile(join(place.settings.cache, "downloads", `${sha256(weights)}.lock`), { timing: { wait: () => Promise.reject(new Error("held")) } });
  await assert.rejects(cleanCache(["clip-text-files"], place), { code: "busy" });
  await held[Symbol.asyncDispose]();
  await cleanCache(["clip-text-files"], place);
  assert.deepEqual(readdirSync(place.settings.hubCache), []);
});

test("models are freed by name, others stay; an unknown name is an error that lists the names", async () => {
  await using place = await pulledClip();
  for (const name of ["ram", "ram-plus.part"]) {
    mkdirSync(join(place.settings.cache, "models", name), { recursive: true });
    writeFileSync(join(place.settings.cache, "models", name, "config.json"), "{}");
  }
  assert.deepEqual((await listCache(place)).map(({ name, whole }) => [name, whole]).sort(), [["clip-text-files", true], ["ram", true], ["ram-plus.part", false]]);
  await assert.rejects(cleanCache(["ram", "rma"], place), { code: "bad-option", message: /rma: is not in the cache; there is .*ram-plus\.part/ });
  assert.deepEqual((await cleanCache(["ram"], place)).map(({ name }) => name), ["ram"]);
  assert.deepEqual(readdirSync(join(place.settings.cache, "models")), ["ram-plus.part"]);
});

test("the tag lists of the package are the published ones; others are replaced by them, verified", async () => {
  await using place = await pulledClip();
  const client = { bytes: () => Promise.resolve(Buffer.from("not the list")) };
  const access = { client: client as never, settings: place.settings, timing: {} as never };
  assert.equal(await tagLists(access, true), null);
  const folder = join(place.settings.cache, "damaged");
  mkdirSync(folder);
  await assert.rejects(tagLists(access, true, folder), { code: "offline", message: /ram_tag_list\.txt: .*install ramplus again/ });
  await assert.rejects(tagLists(access, false, folder), { code: "wrong-hash" });
});

test("a lock of a process that is gone is taken over; one that is held is waited for", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "a.lock");
  const { hostname } = await import("node:os");
  // No process has this number: it is above the largest that systems give.
  writeFileSync(file, JSON.stringify({ pid: 2 ** 30, host: hostname() }));
  let waits = 0;
  const options = { timing: { wait: async () => void waits++ } };
  const held = await lockFile(file, options);
  assert.equal(waits, 0);
  const order: string[] = [];
  const second = lockFile(file, { ...options, timing: { wait: () => new Promise((resolve) => setTimeout(resolve, 1)) }, onWait: () => order.push("waits") }).then((lock) => {
    order.push("has");
    return lock;
  });
  while (order.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  order.push("freed");
  await held[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
  assert.deepEqual(order, ["waits", "freed", "has"]);
  assert.deepEqual(readdirSync(folder.path), []);
});

test("folders follow the hub's variables", () => {
  const home = hubCacheFolder({}).replace(/\/\.cache\/huggingface\/hub$/, "");
  assert.equal(hubCacheFolder({ XDG_CACHE_HOME: "/x" }), "/x/huggingface/hub");
  assert.equal(hubCacheFolder({ XDG_CACHE_HOME: "/x", HF_HOME: "/h" }), "/h/hub");
  assert.equal(hubCacheFolder({ HF_HOME: "/h", HF_HUB_CACHE: "/c" }), "/c");
  assert.equal(hubCacheFolder({ HF_HOME: "~/h", HF_HUB_CACHE: "" }), `${home}/h/hub`);
  assert.equal(cacheFolder({ HF_HOME: "/h", HF_HUB_CACHE: "/c" }), "/h/ramplus");
  assert.equal(cacheFolder({ HF_HOME: "/h", RAMPLUS_CACHE: "/r" }), "/r");
});
