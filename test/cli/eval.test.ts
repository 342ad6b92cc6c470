import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { writeColours } from "../eval/colour-photos.js";
import { shared, sharedMissing } from "../shared-data.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model-folder.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));
let root: Awaited<ReturnType<typeof temporaryFolder>>;
before(async () => {
  root = await temporaryFolder();
  await writeTinyModel(join(root.path, "model"));
  await writeColours(join(root.path, "photos"), { "r.jpg": "red", "g.png": "green", "b.png": "blue" });
  writeFileSync(join(root.path, "photos", "broken.jpg"), "no photo");
  writeFileSync(join(root.path, "labels.csv"), "r.jpg,red\ng.png,green,yeti\nb.png,red\n");
  writeFileSync(join(root.path, "some.csv"), "r.jpg,red\ngone\u001b[31m.jpg,red\nbroken.jpg,green\n");
});
after(() => root[Symbol.asyncDispose]());

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function run(args: readonly string[], onErr?: (text: string, child: ChildProcess) => void): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, "eval", ...args], { cwd: root.path, stdio: ["ignore", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => {
      err += data;
      onErr?.(err, child);
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

test("a labelled folder: figures on standard output, the report's place on standard error, exit 0", async () => {
  const { code, out, err } = await run(["model", "photos", "--labels", "labels.csv", "--out", "report", "--device", "cpu"]);
  assert.equal(code, 0, err);
  assert.match(out, /^photos: 3 photos\n {2}mAP +1\.000 over 2 tags\n/);
  assert.match(out, /left out +1 of the 3 tags, which the model has not: yeti\n/);
  assert.match(out, /\n {2}green +1 +1\.000 +1\.000 +1\.000 +1\.000 +1\.000 +0\.\d{3}\n/);
  assert.match(err, /the report is report.report\.html\n$/);
  assert.match(readFileSync(join(root.path, "report", "summary.txt"), "utf8"), /^mAP: 99\.9+/);
});

test("photos that are missing or cannot be read are named, exit 1; json is json", async () => {
  const { code, out, err } = await run(["model", "photos", "--labels", "some.csv", "--format", "json", "--device", "cpu"]);
  assert.equal(code, 1);
  assert.match(err, /photos.broken\.jpg: is not an image .*\(image-unknown-format\)\n/);
  assert.match(err, /labelled photos that are not there: 1: gone\\x1b\[31m\.jpg\n/);
  const json = JSON.parse(out);
  assert.deepEqual([json.photos, json.missing, json.failed.length], [1, ["gone\u001b[31m.jpg"], 1]);
});

test("wrong usage is told before anything is loaded, exit 2", async () => {
  const cases: [string[], RegExp][] = [
    [["model"], /needs a MODEL, and PHOTOS --labels FILE, a SET, or --benchmark NAME/],
    [["model", "photos", "more"], /needs a MODEL/],
    [["model", "photos", "--benchmark", "hico-600"], /needs a MODEL/],
    [["model", "--benchmark", "hico"], /--benchmark hico: expected .*hico-600/],
    [["model", "--benchmark", "hico-600", "--photos", "photos"], /needs --annotations DIR/],
    [["model", "photos", "--photos", "photos"], /--photos goes with --benchmark/],
    [["model", "photos", "--labels", "labels.csv", "--split", "val"], /--split does not go with --labels/],
    [["model", "photos", "--labels", "labels.csv", "--force"], /--force goes with --out/],
    [["model", "photos", "--labels", "labels.csv", "--threshold", "2"], /--threshold 2/],
    [["model", "photos", "--labels", "labels.csv", "--open-set"], /--open-set looks for the tags of --vocab/],
    [["model", "photos", "--labels", "labels.csv", "--groups", "hypernyms"], /needs --hypernyms FILE/],
  ];
  for (const [args, message] of cases) {
    const { code, out, err } = await run(args);
    assert.deepEqual([code, out], [2, ""], args.join(" "));
    assert.match(err, message);
  }
});

test("data at fault exits 1 with its code", async () => {
  writeFileSync(join(root.path, "bad.json"), '{"r.jpg": "red"}');
  for (const [args, message] of [
    [["photos", "--labels", "bad.json"], /bad\.json: "r\.jpg": expected a list of tags, received "red" \(bad-labels\)/],
    [["photos", "--labels", "none.csv"], /none\.csv: .*\(not-found\)/],
    [["photos"], /labels\.json: .*\(not-found\)/],
    [["--benchmark", "hico-600", "--annotations", "photos", "--photos", "photos"], /hico_600_annots\.txt.*\(not-found\)/],
  ] as const) {
    const { code, err } = await run(["model", ...args, "--device", "cpu"]);
    assert.equal(code, 1, err);
    assert.match(err, message);
  }
});

test("Ctrl-C ends with 130 and keeps what was scored; the same command goes on", async () => {
  const many = join(root.path, "many");
  mkdirSync(many);
  const names = Array.from({ length: 5000 }, (_, i) => `${i}.png`);
  for (const name of names) linkSync(join(root.path, "photos", "g.png"), join(many, name));
  writeFileSync(join(root.path, "many.csv"), names.map((name) => `${name},green\n`).join(""));
  const args = ["model", "many", "--labels", "many.csv", "--out", "resumed", "--device", "cpu"];
  let stopped = false;
  const first = await run(args, (err, child) => {
    if (!stopped && err.includes("500 of 5000 photos")) stopped = child.kill("SIGINT");
  });
  assert.equal(first.code, 130, first.err);
  assert.match(first.err, /what was scored is kept in resumed: the same command goes on\n/);
  assert.deepEqual(readdirSync(join(root.path, "resumed")), ["scores.jsonl"]);
  const second = await run(args);
  assert.equal(second.code, 0, second.err);
  const kept = Number(/5000 of 5000 photos, (\d+) of them scored before/.exec(second.err)?.[1]);
  assert.ok(kept >= 500 && kept < 5000, `${kept} kept`);
  assert.match(second.out, /^many: 5000 photos\n/);
});

test("a benchmark's own annotations with the embedded model: tags that it lacks are left out and named", { skip: sharedMissing("data/ram-upstream/datasets") }, async () => {
  const images = join(root.path, "openimages");
  await writeColours(images, { "test/0000c64e1253d68f.jpg": "red", "test/0002ab0af02e4a77.jpg": "green" });
  const { code, out, err } = await run(["ramplus-tiny", "--benchmark", "openimages-common-214", "--annotations", shared("data/ram-upstream/datasets"), "--photos", "openimages", "--out", "common"]);
  assert.equal(code, 1, err);
  assert.match(out, /^openimages-common-214: 2 photos, 57222 not there\n/);
  assert.match(out, /left out +\d+ of the 214 tags, which the model has not: accident, /);
  assert.match(readFileSync(join(root.path, "common", "pred.txt"), "utf8"), /^test\/0000c64e1253d68f.*\ntest\/0002ab0af02e4a77.*\n$/);
});
