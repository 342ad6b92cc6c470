import assert from "node:assert/strict";
import { once } from "node:events";
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import type { CliIo } from "../../src/cli/io.js";
import { main } from "../../src/cli/main.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model-folder.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));
const folder = await temporaryFolder();
const [model, photo] = [join(folder.path, "model"), join(folder.path, "red.png")];

before(async () => {
  await writeTinyModel(model);
  await writeFile(photo, await sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } }).png().toBuffer());
});
after(() => folder[Symbol.asyncDispose]());

interface Terminal {
  readonly out?: boolean;
  readonly err?: boolean;
  readonly env?: CliIo["env"];
  readonly input?: Uint8Array;
  readonly signal?: AbortSignal;
}

/** Runs the command line in this process, on streams that are terminals or not. */
async function run(args: readonly string[], { out = false, err = false, env = {}, input, signal = new AbortController().signal }: Terminal = {}): Promise<{ code: number; out: string; err: string }> {
  const streams = [out, err].map((isTTY) => Object.assign(new PassThrough({ highWaterMark: 1 << 24 }), { isTTY, columns: 80 }));
  const stdin = new PassThrough();
  if (input !== undefined) stdin.end(input);
  const code = await main(args, { stdin, stdout: streams[0]!, stderr: streams[1]!, env, signal });
  const [stdout, stderr] = streams.map((stream) => String(stream.read() ?? ""));
  return { code, out: stdout!, err: stderr! };
}

const tag = ["tag", photo, "--model", model];

test("colours on a terminal only, and NO_COLOR is honoured", async () => {
  assert.match((await run(tag, { out: true })).out, /\u001b\[1m.*\u001b\[36m█/s);
  for (const terminal of [{ out: true, env: { NO_COLOR: "1" } }, { out: false }]) assert.ok(!(await run(tag, terminal)).out.includes("\u001b"));
  // An empty value counts as none (no-color.org).
  assert.ok((await run(tag, { out: true, env: { NO_COLOR: "" } })).out.includes("\u001b"));
});

test("progress goes to a terminal only, and where results go elsewhere", async () => {
  assert.match((await run(tag, { err: true })).err, /1 photos/);
  assert.equal((await run(tag)).err, "");
  assert.equal((await run(tag, { out: true, err: true })).err, "");
});

test("what is wrong goes to standard error in every format, results to standard output alone", async () => {
  for (const format of ["text", "json", "jsonl", "csv", "reference"]) {
    const { code, out, err } = await run(["tag", join(folder.path, "none.png"), photo, "--model", model, "--format", format]);
    assert.equal(code, 1);
    assert.match(out, /red/);
    assert.match(err, /^ramplus: .*none\.png: does not exist\n$/);
  }
});

test("-- ends the options, so that a photo may be called like one", async () => {
  const { code, out } = await run(["tag", "--model", model, "--format", "jsonl", "--", "--help", photo]);
  assert.equal(code, 1);
  const entries = out.trim().split("\n").map((line) => JSON.parse(line) as { file: string; error?: { code: string } });
  assert.deepEqual(
    entries.map(({ file, error }) => [file, error?.code]),
    [
      ["--help", "image-not-found"],
      [photo, undefined],
    ],
  );
});

test("standard input that is empty or no image is an entry under -", async () => {
  for (const [input, code] of [
    [new Uint8Array(0), "image-empty"],
    [Buffer.from("text"), "image-unknown-format"],
  ] as const) {
    const result = await run(["tag", "-", "--model", model, "--format", "json"], { input });
    assert.equal(result.code, 1);
    const [{ file, error }] = JSON.parse(result.out);
    assert.deepEqual([file, error.code], ["-", code]);
    assert.match(error.message, /^standard input: /);
  }
});

test("--threshold by number lists tags that are off too, --top the best ones", async () => {
  const named = async (...options: string[]): Promise<string[]> => JSON.parse((await run([...tag, "--format", "json", ...options])).out)[0].tags.map((t: { en: string }) => t.en);
  assert.deepEqual(await named(), ["red", "colour"]);
  assert.deepEqual(await named("--threshold", "official", "--top", "1"), ["red"]);
  assert.deepEqual(await named("--threshold", "0.9"), ["off", "red"]);
});

test("an interruption while a photo is awaited is exit 130", async () => {
  const abort = new AbortController();
  const running = run(["tag", "-", "--model", model], { signal: abort.signal });
  setTimeout(() => abort.abort(), 300);
  assert.equal((await running).code, 130);
});

test("an unusable model is exit 3 with one line and nothing on standard output", async () => {
  for (const args of [
    ["tag", photo, "--model", join(folder.path, "none")],
    ["tag", photo, "--model", model, "--dtype", "q8"],
    ["info", folder.path],
    ["eval", join(folder.path, "none"), folder.path],
  ]) {
    const { code, out, err } = await run(args);
    assert.deepEqual([code, out], [3, ""]);
    assert.match(err, /^ramplus: [^\n]+\n$/);
  }
});

test("a value that cannot be is exit 2, whichever option it is of", async () => {
  for (const [option, value] of [["threshold", "1.5"], ["threshold", ""], ["threshold", "some"], ["top", "-1"], ["top", "1.5"], ["batch", "0"], ["batch", "99999"], ["lang", "fr"], ["device", "gpu"], ["dtype", "int3"], ["format", "xml"], ["model", ""]]) {
    const { code, out, err } = await run(["tag", photo, `--${option}=${value}`]);
    assert.deepEqual([code, out], [2, ""], err);
    assert.match(err, /^ramplus: [^\n]+\n$/);
  }
  assert.match((await run(["tag", photo, "--top", "-1"])).err, /--top needs a value; one that begins with - is given as --top=VALUE/);
});

test("results go on when nobody reads the messages", async () => {
  const child = spawn(process.execPath, [bin, "tag", "none.png", photo, "--model", model, "--format", "jsonl"], { cwd: folder.path });
  child.stderr.destroy();
  let out = "";
  child.stdout.on("data", (data) => (out += data));
  const [code] = await once(child, "close");
  assert.equal(code, 1);
  assert.equal(out.trim().split("\n").length, 2);
});
