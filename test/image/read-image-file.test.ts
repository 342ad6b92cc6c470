import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readImageFile } from "../../src/image/read-image-file.js";

const folder = mkdtempSync(join(tmpdir(), "ramplus-read-"));
after(() => rmSync(folder, { recursive: true }));

test("a file's bytes are read", async () => {
  const path = join(folder, "photo");
  writeFileSync(path, Uint8Array.of(1, 2, 3));
  assert.deepEqual(await readImageFile(path), Uint8Array.of(1, 2, 3));
});

test("a missing file, a folder, a file within a file and an impossible name are errors that name the path", async () => {
  writeFileSync(join(folder, "plain"), "x");
  const cases = [
    [join(folder, "missing.jpg"), "image-not-found"],
    [join(folder, "plain", "photo.jpg"), "image-not-found"],
    ["photo\0.jpg", "image-not-found"],
    ["", "image-not-found"],
    [folder, "image-not-a-file"],
  ] as const;
  for (const [path, code] of cases) await assert.rejects(readImageFile(path), (error: Error & { code: string }) => error.code === code && error.message.startsWith(`${path}: `), `${path} ${code}`);
});

test("a file of more bytes than the limit is not read", async () => {
  const path = join(folder, "large");
  writeFileSync(path, new Uint8Array(11));
  await assert.rejects(readImageFile(path, 10), { code: "image-too-large" });
  assert.equal((await readImageFile(path, 11)).length, 11);
});

test("a named pipe is not waited for", { skip: process.platform === "win32" ? "skipped: there are no named pipes in folders of Windows" : false }, async () => {
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  await assert.rejects(readImageFile(path), { code: "image-not-a-file" });
});
