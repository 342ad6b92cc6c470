import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { temporaryFolder, tinySize, writeTinyModel } from "../tiny-model-folder.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));
const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } => spawnSync(process.execPath, [bin, ...args], { encoding: "utf8" });

/** A photo of one colour. */
const paint = (file: string, r: number, g: number, b: number): Promise<unknown> => sharp({ create: { width: tinySize, height: tinySize, channels: 3, background: { r, g, b } } }).png().toFile(file);

test("calibrate: photos with labels, then ramplus tag with the calibration; reviewed predictions; errors", async () => {
  await using folder = await temporaryFolder();
  const [model, photos] = [join(folder.path, "model"), join(folder.path, "photos")];
  await writeTinyModel(model);
  const { mkdirSync } = await import("node:fs");
  mkdirSync(photos);
  // To these labels only the redder of the photos that the model calls red are.
  const lines: string[] = [];
  for (let i = 0; i < 40; i++) {
    const r = 120 + i * 3;
    await paint(join(photos, `${i}.png`), r, 90, 90);
    lines.push(i >= 10 ? `${i}.png,red` : `${i}.png`);
  }
  writeFileSync(join(folder.path, "labels.csv"), `${lines.join("\n")}\ngone.png,red\n`);
  const fitted = run("calibrate", model, photos, "--labels", join(folder.path, "labels.csv"), "--probabilities");
  assert.equal(fitted.status, 1, fitted.stderr);
  assert.match(fitted.stderr, /labelled photos that are not there: 1: gone\.png/);
  assert.match(fitted.stdout, /40 photos, 1 tags, for f1; on photos left out, in 5 parts:\n {2}before {3}precision 0\.833, recall 1\.000, F1 0\.909; mean F1 of the tags 0\.909\n {2}after {4}precision (?:0\.9\d\d|1\.000), recall (?:0\.9\d\d|1\.000), F1 0\.9[5-9]\d/);
  assert.match(fitted.stdout, /fitted {7}1 tags/);
  const before = run("tag", join(photos, "6.png"), "--model", model, "--calibration", "none", "--format", "jsonl");
  const after = run("tag", join(photos, "6.png"), "--model", model, "--format", "jsonl");
  assert.match(before.stdout, /"en":"red"/);
  assert.doesNotMatch(after.stdout, /"en":"red"/);
  const precise = run("tag", join(photos, "30.png"), "--model", model, "--format", "jsonl", "--threshold", "precision=0.9");
  assert.match(precise.stdout, /"en":"red".*"probability":/);
  const dry = run("calibrate", model, photos, "--labels", join(folder.path, "labels.csv"), "--out", join(folder.path, "dry.json"), "--dry-run", "--format", "json");
  assert.equal(dry.status, 1);
  assert.equal((JSON.parse(dry.stdout) as { file: null }).file, null);
  assert.ok(!existsSync(join(folder.path, "dry.json")));

  // A person marks what the model gave at any score.
  const given = run("tag", photos, "--model", model, "--calibration", "none", "--threshold", "0", "--only", "red", "--format", "jsonl");
  const marked = given.stdout.trim().split("\n").map((line) => {
    const entry = JSON.parse(line) as { file: string; tags: { right?: boolean }[] };
    for (const tag of entry.tags) tag.right = Number(/(\d+)\.png$/.exec(entry.file)![1]) >= 10;
    return JSON.stringify(entry);
  });
  writeFileSync(join(folder.path, "reviewed.jsonl"), marked.join("\n"));
  const reviewed = run("calibrate", model, "--reviewed", join(folder.path, "reviewed.jsonl"), "--for", "precision=0.95", "--out", join(folder.path, "r.json"));
  assert.equal(reviewed.status, 0, reviewed.stderr);
  const calibration = JSON.parse(readFileSync(join(folder.path, "r.json"), "utf8")) as { target: string; tags: { en: string; threshold: number; positives: number }[] };
  assert.equal(calibration.target, "precision=0.95");
  assert.deepEqual(calibration.tags.map(({ en, positives }) => [en, positives]), [["red", 30]]);

  for (const [args, status, message] of [
    [[model], 2, /needs PHOTOS/],
    [[model, photos, "--labels", "x.csv", "--for", "speed"], 2, /--for speed/],
    [[model, photos, "--labels", join(folder.path, "none.csv")], 1, /none\.csv/],
    [[model, "--reviewed", join(folder.path, "labels.csv")], 1, /labels\.csv/],
    [[model, photos, "--reviewed", "x"], 2, /give no photos/],
  ] as const) {
    const failed = run("calibrate", ...args);
    assert.equal(failed.status, status, failed.stderr);
    assert.match(failed.stderr, message);
    assert.doesNotMatch(failed.stderr, /at .*\.js:/);
  }
  const wrong = run("tag", join(photos, "1.png"), "--calibration", join(folder.path, "r.json"));
  assert.equal(wrong.status, 3);
  assert.match(wrong.stderr, /made for another model/);
});
