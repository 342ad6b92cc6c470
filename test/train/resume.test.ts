import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { testRandom } from "../graph/random-tensor.js";
import { writeSyntheticRun } from "./synthetic-run.js";

const bin = fileURLToPath(new URL("../../src/cli/bin.js", import.meta.url));

/** Runs `ramplus train`; kills it when it has logged so many steps. Gives the exit code, null when killed. */
function trainProcess(config: string, out: string, killAfter = Infinity): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, "train", config, "--out", out, "--resume", "--threads", "1"]);
    let [text, killed] = ["", false];
    child.stderr.on("data", (data) => {
      text += data;
      if (!killed && text.split("\n").length > killAfter) killed = child.kill("SIGKILL");
    });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 || killed ? resolve(killed ? null : code) : reject(new Error(text))));
  });
}

/** The last logged losses of each step. */
function losses(out: string): Map<number, string> {
  const lines = readFileSync(join(out, "log.jsonl"), "utf8").trim().split("\n");
  return new Map(
    lines.map((line) => {
      const { step, ...rest } = JSON.parse(line);
      return [step, JSON.stringify(rest)];
    }),
  );
}

test("a run killed again and again goes on to the same losses and the same model", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ramplus-train-"));
  try {
    const config = await writeSyntheticRun(folder, 24);
    const [whole, broken] = [join(folder, "whole"), join(folder, "broken")];
    assert.equal(await trainProcess(config, whole), 0);
    const random = testRandom(11);
    let kills = 0;
    for (let attempt = 0; attempt < 12; attempt++) {
      const code = await trainProcess(config, broken, 3 + Math.floor(random() * 6));
      if (code === 0) break;
      kills++;
    }
    if (!existsSync(join(broken, "model", "config.json"))) assert.equal(await trainProcess(config, broken), 0);
    assert.ok(kills >= 3, `${kills} kills`);
    assert.deepEqual(losses(broken), losses(whole));
    for (const file of ["tags.json", "onnx/tagging_model_fp16.onnx.data"]) assert.ok(readFileSync(join(broken, "model", file)).equals(readFileSync(join(whole, "model", file))), file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
