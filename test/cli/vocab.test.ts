import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { convertCheckpoint } from "../../src/convert/convert-checkpoint.js";
import { shared, sharedMissing } from "../shared-data.js";
import { temporaryFolder } from "../tiny-model-folder.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));
const encoder = "parity/clip_text_mini/model-hf.safetensors";

test("vocab build, list, show, merge, diff, export; tag --vocab, --open-set, --tags with a text encoder", { skip: sharedMissing("parity/clip_text_mini") }, async () => {
  await using folder = await temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } => spawnSync(process.execPath, [bin, ...args], { encoding: "utf8", env: { ...process.env, RAMPLUS_BANKS: at("banks"), HF_HOME: at("hub") } });
  const ok = (...args: string[]): string => {
    const { status, stdout, stderr } = run(...args);
    assert.equal(status, 0, stderr);
    return stdout;
  };
  const model = at("model");
  await convertCheckpoint(shared("parity/ram_plus_mini/checkpoint.safetensors"), model, { tags: shared("parity/ram_plus_mini/tags.txt"), imageSize: 96 });
  const photo = shared("parity/ram_plus_mini/photos/dogs.jpg");
  const reference = (JSON.parse(readFileSync(shared("parity/ram_plus_mini/openset_tags.json"), "utf8")) as { runs: { threshold: number; photos: { file: string; tags: string }[] }[] }).runs;
  const expected = (threshold: number): string => reference.find((each) => each.threshold === threshold)!.photos.find(({ file }) => file === "dogs.jpg")!.tags;

  assert.match(ok("vocab", "list"), /no banks/);
  assert.match(ok("vocab", "build", "open", "--descriptions", shared("parity/clip_text_mini/openset_llm_descriptions.json"), "--text-encoder", shared(encoder)), /open\.safetensors: 3 tags, 12 rows/);
  // The reference's open set, from descriptions to strings.
  const tagging = ["tag", photo, "--model", model, "--vocab", "open", "--no-orient", "--format", "reference"];
  assert.equal(ok(...tagging, "--open-set"), `${expected(0.5)}\n`);
  assert.equal(ok(...tagging, "--threshold", "0.73"), `${expected(0.73)}\n`);

  assert.match(ok("vocab", "build", "words", "ice cream", "kite", "--text-encoder", shared(encoder), "--threshold", "0.25", "--dtype", "fp16"), /2 tags, 126 rows/);
  assert.match(ok("vocab", "list"), /NAME +TAGS +ROWS +MADE BY\nopen +3 .*text encoder [0-9a-f]{12} \(width 32\)\nwords +2 /);
  assert.match(ok("vocab", "show", "words"), /ice cream +ice cream +0\.250 +63/);
  assert.match(ok("vocab", "merge", "open", "words", "--out", "both", "--exclude", "kite"), /4 tags/);
  assert.equal(ok("vocab", "diff", "open", "both"), "+ ice cream\n");
  assert.equal(ok("vocab", "diff", "open", "open"), "no difference\n");
  ok("vocab", "export", "both", "--out", at("both.json"), "--only", "ice*");
  const json = JSON.parse(readFileSync(at("both.json"), "utf8")) as { width: number; tags: { en: string; rows: number[][] }[] };
  assert.deepEqual([json.width, json.tags.map(({ en, rows }) => [en, rows.length, rows[0]!.length])], [32, [["ice cream", 63, 32]]]);
  ok("vocab", "export", "both", "--out", at("names.txt"));
  assert.equal(readFileSync(at("names.txt"), "utf8").split("\n").length, 5);
  ok("vocab", "export", "words", "--out", at("half.safetensors"));
  assert.match(ok("tag", photo, "--model", model, "--vocab", `${at("half.safetensors")},open`, "--format", "jsonl", "--all"), /"en":"kite".*"bank":"half"/);

  const words = ok("tag", photo, "--model", model, "--tags", "red panda,ice_cream", "--text-encoder", shared(encoder), "--threshold", "0", "--format", "jsonl");
  assert.deepEqual((JSON.parse(words) as { tags: { en: string }[] }).tags.map(({ en }) => en).sort(), ["ice_cream", "red panda"]);

  writeFileSync(at("broken.safetensors"), "x");
  for (const [args, status, message] of [
    [["vocab"], 2, /needs one of build/],
    [["vocab", "bild", "x"], 2, /did you mean build/],
    [["vocab", "build", "open", "x", "--text-encoder", shared(encoder)], 2, /already: --force/],
    [["vocab", "build", "new", "x"], 2, /ramplus pull clip-text/],
    [["vocab", "show", "nothing"], 1, /there are both, open, words/],
    [["vocab", "show", at("broken.safetensors")], 1, /is no bank/],
    [["vocab", "merge", "open", "both", "--out", "c"], 1, /bank-conflict/],
    [["vocab", "build", "../escape/x", "a"], 2, /ramplus pull clip-text/],
    [["tag", photo, "--vocab", "open"], 1, /rows have 32 values/],
    [["tag", photo, "--model", model, "--open-set"], 2, /--open-set needs/],
    [["tag", photo, "--model", model, "--tags", "zorgblat"], 2, /ramplus pull clip-text/],
    [["tag", photo, "--tags", "zorgblat"], 1, /"zorgblat".*ramplus teach/],
    [["tag", photo, "--only", "zorg*"], 1, /no tag fits/],
  ] as const) {
    const failed = run(...args);
    assert.equal(failed.status, status, `${args.join(" ")}: ${failed.stderr}`);
    assert.match(failed.stderr, message);
    assert.doesNotMatch(failed.stderr, /at .*\.js:/);
  }
  assert.ok(!existsSync(at("banks/new.safetensors")));
});
