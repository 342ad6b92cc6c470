import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../tiny-model-folder.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));
const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } => spawnSync(process.execPath, [bin, "data", ...args], { encoding: "utf8" });

test("data parse, vocab and inspect, and what they refuse", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  writeFileSync(at("captions.json"), JSON.stringify({ "a.jpg": ["Two dogs jump over a log", "a brown dog"], "b.jpg": "a dog" }));
  const parsed = run("parse", at("captions.json"), "--out", at("list.json"));
  assert.equal(parsed.status, 0, parsed.stderr);
  assert.match(parsed.stdout, /2 photos, \d+ tags, \d\.\d a photo\nTAG +PHOTOS\n\w+ +2\n/);
  assert.equal((JSON.parse(readFileSync(at("list.json"), "utf8")) as unknown[]).length, 2);
  assert.equal(run("parse", at("captions.json"), "--out", at("list.json")).status, 2);
  writeFileSync(at("names.txt"), "dog\nlog\njumping\n");
  const own = run("parse", at("captions.json"), "--vocab", at("names.txt"), "--out", at("own.json"), "--format", "json");
  assert.deepEqual((JSON.parse(own.stdout) as { tags: { tag: string; photos: number }[] }).tags.map(({ tag, photos }) => [tag, photos]), [["dog", 2], ["log", 1], ["jumping", 1]]);
  assert.match(run("vocab", at("captions.json"), "--min", "1", "--vocab", "models/vocabulary.json").stdout, /WORD +KIND +PHOTOS +TAG\ndog +noun +2 +dog\n/);
  mkdirSync(at("photos/cat"), { recursive: true });
  copyFileSync("examples/cat.jpg", at("photos/cat/1.jpg"));
  const seen = run("inspect", at("photos"), "--sheets", at("sheets"));
  assert.equal(seen.status, 0, seen.stderr);
  assert.match(seen.stdout, /^1 photos, shorter side/);
  assert.ok(existsSync(at("sheets/0000 cat.jpg")));
  writeFileSync(at("photos/cat/2.jpg"), "x");
  assert.equal(run("inspect", at("photos")).status, 1);
  for (const [args, status, message] of [
    [[], 2, /needs one of parse/],
    [["pars", "x"], 2, /did you mean parse/],
    [["parse", at("captions.json")], 2, /needs --out/],
    [["parse", at("names.txt"), "--out", at("x.json")], 1, /not JSON/],
    [["vocab", at("none.json")], 1, /cannot be read/],
    [["inspect", at("nowhere")], 1, /nowhere/],
    [["parse", at("captions.json"), "--out", at("x.json"), "--vocab", at("nothing")], 3, /not a model folder/],
  ] as const) {
    const failed = run(...args);
    assert.equal(failed.status, status, failed.stderr);
    assert.match(failed.stderr, message);
    assert.doesNotMatch(failed.stderr, /at .*\.js:/);
  }
});
