import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { replaceModelFolder } from "../../src/bundle/replace-model-folder.js";
import { convertCheckpoint } from "../../src/convert/convert-checkpoint.js";
import { downloadFile, type DownloadOptions } from "../../src/hub/download-file.js";
import { HttpClient } from "../../src/hub/http-client.js";
import { HubError } from "../../src/hub/hub-error.js";
import type { HubSettings } from "../../src/hub/hub-settings.js";
import type { OfficialFiles } from "../../src/hub/official-files.js";
import { pullModel, type PulledModel, type PullOptions } from "../../src/hub/pull-model.js";
import { usualTiming, type Timing } from "../../src/hub/timing.js";
import type { TransferProgress } from "../../src/hub/transfer-progress.js";
import { Tagger } from "../../src/tagger/tagger.js";
import { shared, sharedMissing } from "../shared-data.js";
import { temporaryFolder } from "../tiny-model-folder.js";
import { gitOid, misbehavingServer, sha256, type Misbehaviour, type MisbehavingServer } from "./misbehaving-server.js";

const token = "hf_secretsecretsecretsecret";
const path = "weights.bin";
const size = 300_000;
const half = 150_000;
// Any bytes do: nothing in the tests depends on which.
const content = randomBytes(size);

const official: OfficialFiles = { title: "test", licence: "none", repository: { type: "model", name: "owner/name" }, revision: "5".repeat(40), files: [{ path }], checkpoint: null };

interface Ground extends AsyncDisposable {
  readonly server: MisbehavingServer;
  readonly settings: HubSettings;
  /** Pauses that were asked for, in milliseconds. */
  readonly pauses: number[];
  pull(options?: PullOptions & { readonly official?: OfficialFiles }): Promise<PulledModel>;
  /** The folder of the repository in the hub's cache. */
  readonly repository: string;
  readonly partial: string;
}

async function ground(...misbehaviours: readonly Misbehaviour[]): Promise<Ground> {
  const folder = await temporaryFolder();
  const server = await misbehavingServer({ [path]: { bytes: content } });
  server.misbehaviours.push(...misbehaviours);
  const settings: HubSettings = { hubCache: join(folder.path, "hub"), cache: join(folder.path, "ramplus"), endpoint: new URL(server.origin), token, offline: false };
  const pauses: number[] = [];
  const timing: Partial<Timing> = { answer: 20_000, stall: 20_000, leastBytes: 1, attempts: 3, pause: 1, wait: async (milliseconds) => void pauses.push(milliseconds) };
  const repository = join(settings.hubCache, "models--owner--name");
  return {
    server,
    settings,
    pauses,
    repository,
    partial: join(repository, "blobs", `${sha256(content)}.incomplete`),
    pull: ({ official: other = official, ...options } = {}) => pullModel(other, { settings, ...options, timing: { ...timing, ...options.timing } }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function isWhole({ files }: PulledModel): void {
  assert.deepEqual(files.map((file) => file.path), [path]);
  assert.ok(readFileSync(files[0]!.file).equals(content));
}

const fails = async (pull: Promise<unknown>, code: HubError["code"], message: RegExp): Promise<void> =>
  assert.rejects(pull, (error: unknown) => {
    assert.ok(error instanceof HubError, inspect(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.ok(!inspect(error, { depth: 20, showHidden: true }).includes(token));
    return true;
  });

test("a file lies in the hub's layout: content by hash, a link in the snapshot; a second pull asks nobody", async () => {
  await using place = await ground();
  const progress: TransferProgress[] = [];
  const pulled = await place.pull({ onProgress: (each) => progress.push(each) });
  isWhole(pulled);
  assert.equal(pulled.files[0]!.from, "hub");
  assert.deepEqual(readdirSync(join(place.repository, "blobs")), [sha256(content)]);
  assert.equal(readlinkSync(join(place.repository, "snapshots", official.revision!, path)), join("..", "..", "blobs", sha256(content)));
  assert.equal(progress.at(-1)!.phase, "done");
  assert.equal(progress.at(-1)!.received, size);
  const asked = place.server.requests.length;
  assert.equal((await place.pull()).files[0]!.from, "cache");
  assert.equal(place.server.requests.length, asked);
});

test("a file that another program of the hub has put there is used", async () => {
  await using place = await ground();
  const snapshot = join(place.repository, "snapshots", official.revision!);
  mkdirSync(snapshot, { recursive: true });
  writeFileSync(join(snapshot, path), content);
  assert.equal((await place.pull({ offline: true })).files[0]!.from, "cache");
  assert.equal(place.server.requests.length, 0);
});

test("small files go by git's name of their content", async () => {
  await using place = await ground();
  place.server.files.set("merges.txt", { bytes: Buffer.from("a b\n"), lfs: false });
  const both = { ...official, files: [{ path }, { path: "merges.txt" }] };
  const { files } = await place.pull({ official: both });
  assert.equal(readFileSync(files[1]!.file, "utf8"), "a b\n");
  assert.ok(existsSync(join(place.repository, "blobs", gitOid(Buffer.from("a b\n")))));
});

test("without a pinned revision the commit that the hub names is recorded, kept and found by others", async () => {
  await using place = await ground();
  const unpinned = { ...official, repository: { type: "space", name: "owner/name" }, revision: null } as const;
  const first = await place.pull({ official: unpinned });
  assert.equal(first.commit, place.server.commit);
  assert.equal(readFileSync(join(place.settings.hubCache, "spaces--owner--name", "refs", "main"), "utf8"), place.server.commit);
  // Another program sees a newer main; what was recorded stays.
  writeFileSync(join(place.settings.hubCache, "spaces--owner--name", "refs", "main"), "6".repeat(40));
  assert.equal((await place.pull({ official: unpinned })).commit, place.server.commit);
});

test("a connection that breaks is taken up again where it stopped", async () => {
  await using place = await ground({ kind: "drop", after: half }, { kind: "drop", after: half + 100_000 });
  isWhole(await place.pull());
  const starts = place.server.contentRequests().map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? "bytes=0-")![1]));
  assert.equal(starts.length, 3);
  // What had arrived but was not yet taken from the connection may be lost with it.
  assert.ok(0 === starts[0] && 0 < starts[1]! && starts[1]! <= starts[2]! && starts[2]! <= half + 100_000, String(starts));
});

test("a transfer that stalls is given up and taken up again; one that trickles too slowly fails in the end, and what came is kept", async () => {
  await using place = await ground({ kind: "stall", after: half });
  isWhole(await place.pull({ timing: { stall: 200 } }));
  assert.match(place.server.contentRequests()[1]!.headers.range!, /^bytes=[1-9]\d*-$/);

  await using slow = await ground({ kind: "trickle" }, { kind: "trickle" }, { kind: "trickle" });
  await fails(slow.pull({ timing: { stall: 60, leastBytes: 100_000 } }), "stalled", /next to nothing: start again later/);
  assert.ok(statSync(slow.partial).size < half);
});

test("what an interrupted run left is checked and gone on with; a server that knows no ranges gives all again", async () => {
  for (const behaviour of [[], [{ kind: "ignore-range" }]] as const) {
    await using place = await ground(...behaviour);
    mkdirSync(join(place.repository, "blobs"), { recursive: true });
    writeFileSync(place.partial, content.subarray(0, half));
    isWhole(await place.pull());
    assert.equal(place.server.contentRequests()[0]!.headers.range, `bytes=${half}-`);
    assert.equal(place.server.contentRequests().length, 1);
  }
});

test("what an interrupted run left wrong is found by the hash and fetched anew", async () => {
  await using place = await ground();
  mkdirSync(join(place.repository, "blobs"), { recursive: true });
  writeFileSync(place.partial, Buffer.alloc(half, 7));
  isWhole(await place.pull());
  assert.deepEqual(place.server.contentRequests().map(({ headers }) => headers.range), [`bytes=${half}-`, undefined]);
});

test("a whole left-over needs no request; one that is too long is fetched anew", async () => {
  for (const [left, requests] of [[content, 0], [Buffer.concat([content, content]), 1]] as const) {
    await using place = await ground();
    mkdirSync(join(place.repository, "blobs"), { recursive: true });
    writeFileSync(place.partial, left);
    isWhole(await place.pull());
    assert.equal(place.server.contentRequests().length, requests);
  }
});

test("a file that changed on the server between two halves starts again, by its etag", async () => {
  await using place = await ground({ kind: "drop", after: half, instead: randomBytes(size) });
  isWhole(await place.pull());
  const [, second] = place.server.contentRequests();
  assert.match(second!.headers.range!, /^bytes=[1-9]\d*-$/);
  assert.match(String(second!.headers["if-range"]), /^"/);
  assert.equal(place.server.contentRequests().length, 2);
});

test("corrupted bytes are thrown away and fetched once more; corrupted twice they are an error and nothing is kept", async () => {
  await using once = await ground({ kind: "corrupt", at: 1000 });
  isWhole(await once.pull());
  await using twice = await ground({ kind: "corrupt", at: 1000 }, { kind: "corrupt", at: 2000 });
  await fails(twice.pull(), "wrong-hash", /twice gave other bytes than its sha256/);
  assert.deepEqual(readdirSync(join(twice.repository, "blobs")), []);
});

test("a file that is not the known one is not fetched", async () => {
  await using place = await ground();
  await fails(place.pull({ official: { ...official, files: [{ path, sha256: "0".repeat(64) }] } }), "wrong-hash", /ramplus knows this file by sha256 0000/);
  await fails(place.pull({ official: { ...official, files: [{ path, bytes: 5 }] } }), "wrong-size", /knows this file by 5/);
  assert.equal(place.server.contentRequests().length, 0);
});

test("wrong lengths and ranges are errors that name what was expected", async () => {
  await using short = await ground({ kind: "wrong-length", length: 10 });
  await fails(short.pull(), "wrong-size", /has 10 bytes, expected 300000/);
  await using much = await ground({ kind: "too-much" });
  await fails(much.pull(), "too-large", /more than the 300000 bytes/);
  await using elsewhere = await ground({ kind: "drop", after: half }, { kind: "wrong-range" });
  await fails(elsewhere.pull(), "wrong-size", /another part than was asked for/);
  isWhole(await elsewhere.pull());
});

test("a page of the network in the file's place costs nothing of what has arrived", async () => {
  const page = { kind: "status", status: 200, headers: { "content-type": "text/html" }, body: "<html>log in</html>" } as const;
  for (const [behaviour, code] of [[page, "bad-answer"], [{ kind: "wrong-length", length: 10 }, "wrong-size"]] as const) {
    await using place = await ground(behaviour);
    mkdirSync(join(place.repository, "blobs"), { recursive: true });
    writeFileSync(place.partial, content.subarray(0, half));
    await fails(place.pull(), code, /page/);
    assert.equal(statSync(place.partial).size, half);
  }
});

test("a length that promises more than comes ends as a broken connection and is taken up again", async () => {
  await using place = await ground({ kind: "drop", after: size - 1 });
  isWhole(await place.pull());
});

for (const [status, headers, code, message] of [
  [401, {}, "unauthorized", /does not accept the token.*HF_TOKEN/],
  [403, { "x-error-code": "GatedRepo" }, "forbidden", /accept the repository's terms/],
  [403, {}, "forbidden", /the token may not read it/],
  [404, { "x-error-code": "EntryNotFound" }, "not-found", /moved or removed.*ramplus convert FILE/],
  [404, { "x-error-code": "RevisionNotFound" }, "not-found", /revision is not there/],
  [418, {}, "refused", /answered 418/],
] as const) {
  test(`${status} ${JSON.stringify(headers)} is ${code}, asked once`, async () => {
    await using place = await ground({ kind: "status", status, headers, body: `your token is ${token}` });
    await fails(place.pull(), code, message);
    assert.equal(place.server.contentRequests().length, 1);
    await using api = await ground();
    api.server.apiMisbehaviours.push({ kind: "status", status, headers, body: token });
    await fails(api.pull(), code, message);
  });
}

test("500 and 429 pass by themselves: the wait that the server asks for is kept", async () => {
  await using place = await ground({ kind: "status", status: 500 }, { kind: "status", status: 429, headers: { "retry-after": "7" } });
  isWhole(await place.pull());
  assert.deepEqual(place.pauses, [1, 7000]);
  await using api = await ground();
  api.server.apiMisbehaviours.push({ kind: "status", status: 503, headers: { "retry-after": new Date(Date.now() + 100_000).toUTCString() } });
  isWhole(await api.pull());
  assert.ok(api.pauses[0]! > 90_000 && api.pauses[0]! <= 100_000);
});

test("a server that is always in trouble, or asks to wait too long, ends the tries", async () => {
  const down = { kind: "status", status: 502 } as const;
  await using place = await ground(down, down, down, down);
  await fails(place.pull(), "server-error", /has trouble \(502\): try again later/);
  assert.equal(place.server.contentRequests().length, 3);
  await using busy = await ground({ kind: "status", status: 429, headers: { "retry-after": "9999" } });
  await fails(busy.pull(), "rate-limited", /wait 9999 seconds/);
  assert.deepEqual(busy.pauses, []);
});

test("a redirect on the same host keeps the token; one to another host does not see it", async () => {
  await using other = await misbehavingServer({ [path]: { bytes: content } });
  await using place = await ground({ kind: "redirect", to: `/content/${path}`, status: 307 }, { kind: "redirect", to: `${other.origin}/content/${path}?signature=abc` });
  isWhole(await place.pull());
  const seen = place.server.contentRequests();
  assert.equal(seen.length, 2);
  assert.ok(seen.every(({ headers }) => headers.authorization === `Bearer ${token}`));
  assert.ok(place.server.requests.every(({ headers }) => headers.authorization === `Bearer ${token}`));
  assert.equal(other.requests.length, 1);
  assert.ok(!JSON.stringify(other.requests).includes(token));
});

test("a token that comes back from another host by redirect is not asked for there, and errors hide the address's query", async () => {
  await using other = await misbehavingServer({ [path]: { bytes: content } });
  other.misbehaviours.push({ kind: "status", status: 403 });
  await using place = await ground({ kind: "redirect", to: `${other.origin}/content/${path}?signature=abcdef` });
  await assert.rejects(place.pull(), (error: HubError) => error.code === "forbidden" && !error.message.includes("abcdef") && error.message.includes(other.origin));
});

test("redirects in a circle, to no address and to other schemes are refused", async () => {
  await using circle = await ground({ kind: "redirect", to: `/content/${path}` }, { kind: "redirect", to: `/content/${path}` });
  await fails(circle.pull(), "bad-redirect", /in a circle/);
  await using endless = await ground(...Array.from({ length: 30 }, (_, i) => ({ kind: "redirect", to: `/content/${path}?${i}` }) as const));
  await fails(endless.pull(), "bad-redirect", /in a circle/);
  assert.ok(endless.server.contentRequests().length < 15);
  await using scheme = await ground({ kind: "redirect", to: "file:///etc/passwd" });
  await fails(scheme.pull(), "bad-redirect", /redirects to file: addresses/);
  await using nowhere = await ground({ kind: "redirect", to: "http://[" });
  await fails(nowhere.pull(), "bad-redirect", /redirects to no address/);
});

test("answers that are none of the hub's are errors", async () => {
  await using place = await ground();
  place.server.apiMisbehaviours.push({ kind: "status", status: 200, body: "<html>log in to the network</html>" });
  await fails(place.pull(), "bad-answer", /check HF_ENDPOINT/);
  place.server.apiMisbehaviours.push({ kind: "status", status: 200, body: JSON.stringify([{ path, type: "file", size: -1, oid: "../../x" }]) });
  await fails(place.pull(), "bad-answer", /no size or hash/);
  place.server.files.delete(path);
  await fails(place.pull(), "not-found", /moved or removed/);
});

test("a host that is not there is an error that says what to check", async () => {
  await using place = await ground();
  const gone = await misbehavingServer();
  await gone[Symbol.asyncDispose]();
  await fails(place.pull({ settings: { ...place.settings, endpoint: new URL(gone.origin) } }), "unreachable", /nothing answers there; check the network, HTTPS_PROXY/);
  assert.equal(place.pauses.length, 2);
});

test("offline what is here is used, and what is not is an error without a request", async () => {
  await using place = await ground();
  await fails(place.pull({ offline: true }), "offline", /weights\.bin is not in .*run once without --offline/);
  await fails(place.pull({ offline: true, official: { ...official, revision: null } }), "offline", /weights\.bin/);
  assert.equal(place.server.requests.length, 0);
  await place.pull();
  const asked = place.server.requests.length;
  isWhole(await place.pull({ settings: { ...place.settings, offline: true } }));
  assert.equal(place.server.requests.length, asked);
});

test("an abort ends at once with its reason, and the next run goes on", async () => {
  await using place = await ground({ kind: "stall", after: half });
  const abort = new AbortController();
  const reason = new Error("enough");
  const onProgress = ({ received }: TransferProgress): void => void (received > 0 && abort.abort(reason));
  await assert.rejects(place.pull({ signal: abort.signal, onProgress }), (error) => error === reason);
  const kept = statSync(place.partial).size;
  assert.ok(kept > 0);
  isWhole(await place.pull());
  assert.equal(place.server.contentRequests()[1]!.headers.range, `bytes=${kept}-`);
  await assert.rejects(place.pull({ signal: AbortSignal.abort(reason), official: { ...official, files: [{ path: "other" }] } }), (error) => error === reason);
});

test("a write that fails is an error, and what was written is gone on with", async () => {
  for (const [code, expected, message] of [
    ["ENOSPC", "disk-full", /the disk is full: make room and start again/],
    ["EIO", "not-writable", /cannot be written \(EIO\)/],
  ] as const) {
    await using place = await ground();
    await using client = new HttpClient({ timing: usualTiming });
    const write: DownloadOptions["write"] = async (handle, chunk, position) => {
      if (position >= 64_000) throw Object.assign(new Error(`${code}: write`), { code, syscall: "write" });
      await handle.write(chunk, 0, chunk.byteLength, position);
    };
    const file = join(place.repository, "blobs", sha256(content));
    const wanted = { name: path, url: `${place.server.origin}/content/${path}`, file, size, digest: { kind: "sha256", hex: sha256(content) } } as const;
    await fails(downloadFile(client, wanted, { stateFolder: place.settings.cache, timing: usualTiming, write }), expected, message);
    const kept = statSync(place.partial).size;
    assert.ok(kept >= 64_000);
    isWhole(await place.pull());
    assert.equal(place.server.contentRequests()[1]!.headers.range, `bytes=${kept}-`);
  }
});

/** A file system of so many bytes, or the reason why there is none here. */
function mountSmallDisk(folder: string, bytes: number): string | null {
  try {
    mkdirSync(folder);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder], { stdio: "pipe" });
    return null;
  } catch (error) {
    return `skipped: no small disk can be mounted here (${(error as Error).message.split("\n")[0]})`;
  }
}

test("a disk without room is an error before anything is fetched; one that fills up while fetching, too", async (t) => {
  await using folder = await temporaryFolder();
  const disk = join(folder.path, "disk");
  const skipped = mountSmallDisk(disk, 1_000_000);
  if (skipped !== null) return t.skip(skipped);
  try {
    let goOn = (): void => undefined;
    await using place = await ground({ kind: "stall", after: half, until: new Promise((resolve) => (goOn = resolve)) });
    const settings = { ...place.settings, hubCache: disk };
    const partial = join(disk, "models--owner--name", "blobs", `${sha256(content)}.incomplete`);
    const filler = join(disk, "filler");
    writeFileSync(filler, Buffer.alloc(600_000));
    await fails(place.pull({ settings }), "disk-full", /needs 300 kB, and the disk of .* has .* free/);
    assert.equal(place.server.contentRequests().length, 0);
    rmSync(filler);
    const pulling = place.pull({ settings });
    while (!existsSync(partial) || statSync(partial).size < half) await sleep(5);
    writeFileSync(filler, Buffer.alloc(780_000));
    goOn();
    await fails(pulling, "disk-full", /the disk is full/);
    rmSync(filler);
    const kept = statSync(partial).size;
    assert.ok(kept >= half && kept < size);
    isWhole(await place.pull({ settings }));
    assert.equal(place.server.contentRequests().at(-1)!.headers.range, `bytes=${kept}-`);
  } finally {
    execFileSync("umount", ["-l", disk]);
  }
});

test("a cache that cannot be written is an error that names the folder", async () => {
  await using place = await ground();
  writeFileSync(join(place.settings.hubCache, "..", "hub"), "a file in its place");
  await fails(place.pull(), "not-writable", /cannot be written.*HF_HOME/);
});

test("two pulls of one file at the same time fetch it once", async () => {
  await using place = await ground();
  const [first, second] = await Promise.all([place.pull(), place.pull()]);
  isWhole(first);
  isWhole(second);
  assert.equal(place.server.contentRequests().length, 1);
});

test("no file of the caches has the token", async () => {
  await using place = await ground({ kind: "drop", after: half });
  await place.pull();
  const files = [place.settings.hubCache, place.settings.cache].flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)));
  assert.ok(files.length >= 2);
  for (const file of files) assert.ok(!readFileSync(file).includes(token), file);
});

test("a pulled checkpoint converts to a model with the reference's tags", { skip: sharedMissing("parity/ram_plus_mini") }, async () => {
  await using place = await ground({ kind: "drop", after: half });
  const mini = "parity/ram_plus_mini";
  place.server.files.set("mini.pth", { bytes: readFileSync(shared(`${mini}/checkpoint.pth`)) });
  const { checkpoint, lists } = await place.pull({ official: { ...official, files: [{ path: "mini.pth" }], checkpoint: "mini.pth" } });
  assert.equal(lists, null);
  const model = join(place.settings.cache, "models", "mini");
  await replaceModelFolder(model, (part) => convertCheckpoint(checkpoint!, part, { tags: shared(`${mini}/tags.txt`), tagsZh: shared(`${mini}/tags_zh.txt`), thresholds: shared(`${mini}/thresholds.txt`) }));
  await using tagger = await Tagger.load(model);
  const [photo] = (JSON.parse(readFileSync(shared(`${mini}/tags.json`), "utf8")) as { photos: { file: string; english: string }[] }).photos;
  const { tags } = await tagger.tag(shared(`${mini}/photos/${photo!.file.split("/").at(-1)}`), { orient: false });
  assert.equal([...tags].sort((a, b) => a.id - b.id).map(({ en }) => en).join(" | "), photo!.english);
});
