import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { writeSmallModel } from "../small-model.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));
let folder = "";
let model = "";
let photo = "";

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "ramplus-cli-"));
  model = join(folder, "model");
  await writeSmallModel(model);
  photo = join(folder, "a.jpg");
  writeFileSync(photo, await sharp({ create: { width: 40, height: 30, channels: 3, background: "teal" } }).jpeg().toBuffer());
  mkdirSync(join(folder, "photos", "inner"), { recursive: true });
  for (const name of ["b.png", "c.png", "inner/d.png"]) writeFileSync(join(folder, "photos", name), await sharp({ create: { width: 20, height: 20, channels: 3, background: "red" } }).png().toBuffer());
  writeFileSync(join(folder, "photos", "notes.txt"), "no image");
  mkdirSync(join(folder, "empty"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function run(args: readonly string[], { input, env, stopAfter, signal }: { input?: Uint8Array; env?: Record<string, string>; stopAfter?: number; signal?: NodeJS.Signals } = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, ...args], { env: { ...process.env, ...env }, cwd: folder });
    let [out, err] = ["", ""];
    child.stdout.on("data", (data) => {
      out += data;
      if (stopAfter !== undefined && out.length >= stopAfter) child.stdout.destroy();
      if (signal !== undefined) child.kill(signal);
    });
    child.stderr.on("data", (data) => (err += data));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}

const tag = (...args: string[]): Promise<Ran> => run(["tag", "--model", model, ...args]);

test("json is one array of entries with tags by falling score", async () => {
  const { code, out, err } = await tag(photo, "--format", "json");
  assert.equal(code, 0, err);
  const [entry] = JSON.parse(out);
  assert.equal(entry.file, photo);
  assert.deepEqual(Object.keys(entry.tags[0]), ["id", "en", "zh", "score", "threshold"]);
  const scores = entry.tags.map((t: { score: number }) => t.score);
  assert.deepEqual(scores, [...scores].sort((a: number, b: number) => b - a));
  assert.ok(scores.every((score: number) => score > 0.5));
  assert.ok(entry.ms.decode >= 0);
});

test("--all lists every tag in id order, one that is off too", async () => {
  const { out } = await tag(photo, "--format", "json", "--all");
  assert.deepEqual(
    JSON.parse(out)[0].tags.map((t: { id: number }) => t.id),
    [0, 1, 2, 3, 4, 5],
  );
  assert.equal(JSON.parse(out)[0].tags[5].threshold, null);
});

test("a missing file and a file that is no image are entries under their paths, the others are tagged, exit 1", async () => {
  const broken = join(folder, "broken.jpg");
  writeFileSync(broken, "text");
  const { code, out } = await tag(join(folder, "nope.jpg"), photo, broken, "--format", "jsonl");
  assert.equal(code, 1);
  const entries = out.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(
    entries.map((e) => e.error?.code ?? "ok"),
    ["image-not-found", "ok", "image-unknown-format"],
  );
  assert.equal(entries[0].file, join(folder, "nope.jpg"));
});

test("a folder gives its images in order; others are counted; --recursive goes deeper", async () => {
  const flat = await tag(join(folder, "photos"), "--format", "jsonl");
  assert.equal(flat.code, 0, flat.err);
  assert.deepEqual(
    flat.out.trim().split("\n").map((line) => JSON.parse(line).file),
    ["b.png", "c.png"].map((name) => join(folder, "photos", name)),
  );
  assert.match(flat.err, /1 file in folders passed over/);
  const deep = await tag(join(folder, "photos"), "--recursive", "--format", "jsonl");
  assert.equal(deep.out.trim().split("\n").length, 3);
});

test("a folder without photos and a glob without matches are errors, exit 1; a glob finds photos", async () => {
  const { code, out } = await tag(join(folder, "empty"), "*.nope", "photos/*.png", "--format", "jsonl");
  assert.equal(code, 1);
  const entries = out.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(
    entries.map((e) => e.error?.code ?? "ok"),
    ["no-photos", "no-photos", "ok", "ok"],
  );
});

test("- reads one photo from standard input", async () => {
  const input = await sharp({ create: { width: 9, height: 9, channels: 3, background: "blue" } }).webp().toBuffer();
  const { code, out } = await run(["tag", "-", "--model", model, "--format", "json"], { input });
  assert.equal(code, 0);
  assert.equal(JSON.parse(out)[0].file, "-");
});

test("reference prints names in list order joined by bars", async () => {
  const { out } = await tag(photo, "--format", "reference", "--threshold", "0");
  assert.equal(out, 'dog | cat, "big" | tree | car | sky | never\n');
});

test("csv quotes what needs it", async () => {
  const { out } = await tag(photo, "--format", "csv", "--threshold", "0");
  assert.match(out, /^file,id,en,zh,score,threshold,error\r\n/);
  assert.match(out, /,"cat, ""big""",/);
});

test("text fits 80 columns, has no colours in a pipe and shows control characters", async () => {
  const strange = join(folder, "new\nline\u001b[31m.jpg");
  writeFileSync(strange, "text");
  const { out } = await tag(photo, strange, "--threshold", "0");
  for (const line of out.split("\n").slice(1, 7)) assert.ok(line.length <= 80, line);
  assert.ok(!out.includes("\u001b"));
  assert.match(out, /new\\nline\\x1b\[31m\.jpg/);
});

test("wrong usage is exit 2 with one line and a hint", async () => {
  for (const [args, pattern] of [
    [["tag"], /needs a PATH/],
    [["tag", photo, "--formt", "json"], /unknown option --formt; did you mean --format\?/],
    [["tag", photo, "--format", "yaml"], /--format yaml: expected text, json/],
    [["tag", photo, "--threshold", "2"], /--threshold 2: expected official or a number/],
    [["tag", photo, "--top", "0"], /--top 0: expected a whole number/],
    [["tga", photo], /unknown command tga; did you mean tag\?/],
    [["convert", "x.pth"], /needs --out/],
  ] as const) {
    const { code, out, err } = await run(args);
    assert.equal(code, 2, err);
    assert.equal(out, "");
    assert.match(err, pattern);
    assert.equal(err.trim().split("\n").length, 1, err);
  }
});

test("an unusable model is exit 3, without a stack trace", async () => {
  writeFileSync(join(folder, "config.json"), JSON.stringify({ model_type: "ram_plus", format_version: 99, made_by: "ramplus 9.0.0" }));
  const future = await run(["tag", photo, "--model", folder]);
  assert.equal(future.code, 3);
  assert.match(future.err, /made by ramplus 9\.0\.0/);
  const missing = await run(["tag", photo, "--model", "no-such-model"]);
  assert.equal(missing.code, 3);
  assert.ok(!/\n\s+at /.test(missing.err));
});

test("a folder whose graph refers to a file elsewhere is refused by info and by tag, exit 3", async () => {
  const hostile = join(folder, "hostile");
  await writeSmallModel(hostile);
  const file = join(hostile, "onnx", "vision_model.onnx");
  // The same length, so that the protobuf stays whole.
  writeFileSync(file, Buffer.from(readFileSync(file).toString("latin1").replaceAll("vision_model.onnx.data", "../../../../etc/passwd"), "latin1"));
  for (const args of [["info", hostile], ["tag", photo, "--model", hostile]]) {
    const { code, out, err } = await run(args);
    assert.deepEqual([code, out], [3, ""], err);
    assert.match(err, /only files of the folder onnx\/ itself may be named \(bad-graph\)/);
    assert.equal(err.trim().split("\n").length, 1, err);
  }
});

test("a reader that goes away ends the command quietly", async () => {
  const { code, err } = await run(["tag", ...Array.from({ length: 40 }, () => photo), "--model", model, "--format", "jsonl", "--all"], { stopAfter: 10 });
  assert.equal(err, "");
  assert.equal(code, 0);
});

test("an interruption is exit 130", async () => {
  const { code } = await run(["tag", ...Array.from({ length: 400 }, () => photo), "--model", model, "--format", "jsonl", "--batch", "1"], { signal: "SIGINT" });
  assert.equal(code, 130);
});

test("info describes a model, help and version go to standard output", async () => {
  const info = await run(["info", model]);
  assert.equal(info.code, 0);
  assert.match(info.out, /RAM\+\+, made by ramplus tests, format version 1/);
  assert.match(info.out, /fp32 {6}2\.\d M parameters, \d+(\.\d+)? MB on disk, the default/);
  assert.match(info.out, /vision .*pixel_values \[batch, 3, 32, 32\] to image_embeds \[batch, 2, 16\]/);
  const report = JSON.parse((await run(["info", model, "--json"])).out);
  assert.deepEqual([report.tags, report.tagsOff, report.precisions[0].dtype], [6, 1, "fp32"]);
  assert.equal(report.precisions[0].parameters, report.precisions[0].vision.parameters + report.precisions[0].tagging.parameters);
  for (const args of [["--help"], ["tag", "--help"], ["train", "-h"], ["--version"]]) {
    const { code, out, err } = await run(args);
    assert.deepEqual([code, err], [0, ""]);
    assert.ok(out.length > 0);
  }
});

test("the native runtime and WebAssembly give the same scores", async () => {
  const scores = await Promise.all(["cpu", "wasm"].map(async (device) => JSON.parse((await tag(photo, "--format", "json", "--all", "--device", device)).out)[0].tags.map((t: { score: number }) => t.score)));
  scores[0].forEach((score: number, i: number) => assert.ok(Math.abs(score - scores[1][i]) < 1e-5));
});
