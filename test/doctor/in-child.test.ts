import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { inChild } from "../../src/doctor/in-child.js";
import { temporaryFolder } from "../tiny-model-folder.js";

for (const [what, program, expected] of [
  ["a crash of native code", "process.kill(process.pid, 'SIGSEGV'); setTimeout(() => {}, 60000);", { problem: "its process crashed (SIGSEGV)", code: "crashed" }],
  ["an end without an answer", "process.exit(7);", { problem: "its process ended with exit code 7", code: "crashed" }],
  ["a crash after the work", "process.send({ found: 1 }, () => process.exit(139));", { problem: "it did its work, and then its process ended with exit code 139", code: "crashed" }],
  ["an answer", "process.send({ found: { a: [1] } }, () => process.exit());", { found: { a: [1] } }],
  ["an error", "process.send({ problem: 'no', code: 'x' }, () => process.exit());", { problem: "no", code: "x" }],
] as const) {
  test(`${what} is a finding, with what was said beside`, { skip: process.platform === "win32" && "signals are those of POSIX" }, async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, "program.mjs");
    await writeFile(file, `import { writeSync } from "node:fs"; writeSync(2, "beside");\n${program}`);
    assert.deepEqual(await inChild({ kind: "runtime" }, { limit: 60_000, program: file }), { ...expected, said: "beside" });
  });
}

test("a process that does not end is ended", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "program.mjs");
  await writeFile(file, "for (;;);");
  const outcome = await inChild({ kind: "runtime" }, { limit: 500, program: file });
  assert.deepEqual(outcome, { problem: "did not end within 0.5 seconds", code: "time-limit", said: "" });
});

test("an interruption ends the process and is thrown", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "program.mjs");
  await writeFile(file, "for (;;);");
  const interrupted = new AbortController();
  setTimeout(() => interrupted.abort(new Error("enough")), 300);
  await assert.rejects(inChild({ kind: "runtime" }, { limit: 60_000, program: file, signal: interrupted.signal }), /enough/);
  await assert.rejects(inChild({ kind: "runtime" }, { limit: 60_000, program: file, signal: interrupted.signal }), /enough/);
});
