import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, before, test } from "node:test";
import { DataError } from "../../src/data/data-error.js";
import { openLabelledFolder } from "../../src/data/labelled-folder.js";

let root = "";
let photos = "";
before(() => {
  root = mkdtempSync(join(tmpdir(), "ramplus-folder-"));
  photos = join(root, "photos");
  mkdirSync(join(photos, "sub"), { recursive: true });
  for (const name of ["a.jpg", "sub/b.png", "c.JPEG", "unlabelled.jpg", "../outside.jpg"]) writeFileSync(join(photos, name), "");
});
after(() => rmSync(root, { recursive: true, force: true }));

function open(labels: string): ReturnType<typeof openLabelledFolder> {
  const file = join(root, "labels.csv");
  writeFileSync(file, labels);
  return openLabelledFolder(photos, file);
}

test("photos are found by their path in the folder, from here, or without their ending; the others are listed", async () => {
  const fromHere = relative(process.cwd(), join(photos, "c.JPEG"));
  const { photos: found, missing } = await open(`a,dog\nsub/b.png\ngone.jpg,cat\n"${fromHere}",bird\nsub,cat\n`);
  assert.deepEqual(found, [
    { file: "a", tags: ["dog"], path: join(photos, "a.jpg") },
    { file: "sub/b.png", tags: [], path: join(photos, "sub/b.png") },
    { file: fromHere, tags: ["bird"], path: join(photos, "c.JPEG") },
  ]);
  assert.deepEqual(missing, ["gone.jpg", "sub"]);
});

test("a path that leads out of the folder is refused", async () => {
  for (const name of ["../outside.jpg", "sub/../../outside.jpg", "/etc/hostname", join(root, "outside.jpg")]) {
    await assert.rejects(open(`${name},dog\n`), (error: unknown) => error instanceof DataError && error.code === "bad-labels" && /leads out of/.test(error.message), name);
  }
});

test("a folder that is none is not-found", async () => {
  await assert.rejects(openLabelledFolder(join(root, "none"), join(root, "labels.csv")), (error: unknown) => error instanceof DataError && error.code === "not-found");
});
