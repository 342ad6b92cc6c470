import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { findPhotos } from "../../src/cli/find-photos.js";
import { temporaryFolder } from "../tiny-model-folder.js";

/** As little of a PNG as tells that it is one. */
const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

async function find(paths: readonly string[], recursive = false): Promise<{ found: string[]; passedOver: string[] }> {
  const [found, passedOver]: [string[], string[]] = [[], []];
  for await (const photo of findPhotos(paths, { recursive, onPassedOver: (path) => passedOver.push(path) })) found.push("error" in photo ? `${photo.error.code} ${photo.path}` : photo.path);
  return { found, passedOver };
}

/** Photos in a folder, in one within it and behind a link; beside them files that are none. */
async function photoFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await temporaryFolder();
  await mkdir(join(folder.path, "inner", "empty"), { recursive: true });
  for (const name of ["b.jpg", "a.txt", "inner/c.png", "photo[1].png"]) await writeFile(join(folder.path, name), png);
  for (const name of ["notes.txt", "wrong.jpg"]) await writeFile(join(folder.path, name), "no image");
  await symlink(join(folder.path, "b.jpg"), join(folder.path, "link"));
  await symlink(folder.path, join(folder.path, "inner", "again"));
  await symlink("nowhere", join(folder.path, "dangling"));
  return folder;
}

test("a folder gives its images by content, in order; --recursive goes deeper and follows no folder's link", async () => {
  await using folder = await photoFolder();
  const within = (...names: string[]): string[] => names.map((name) => join(folder.path, name));
  assert.deepEqual(await find([folder.path]), { found: within("a.txt", "b.jpg", "link", "photo[1].png"), passedOver: within("notes.txt", "wrong.jpg") });
  assert.deepEqual((await find([folder.path], true)).found, within("a.txt", "b.jpg", join("inner", "c.png"), "link", "photo[1].png"));
});

test("a glob gives images under the names that it is written with; a file called like a glob is a file", async () => {
  await using folder = await photoFolder();
  const from = process.cwd();
  process.chdir(folder.path);
  try {
    assert.deepEqual((await find(["*.jpg", "{inner,none}/*.png"])).found, ["b.jpg", "inner/c.png"]);
    assert.deepEqual((await find([join(folder.path, "inner", "*.png")])).found, [join(folder.path, "inner", "c.png")]);
    assert.deepEqual((await find(["photo[1].png"])).found, ["photo[1].png"]);
    assert.deepEqual((await find(["*.gif"])).found, ["no-photos *.gif"]);
  } finally {
    process.chdir(from);
  }
});

test("files are given as named, and a folder without images is an error in its place", async () => {
  await using folder = await photoFolder();
  const empty = join(folder.path, "inner", "empty");
  assert.deepEqual((await find(["-", empty, "no such file.jpg", "a\0b"])).found, ["-", `no-photos ${empty}`, "no such file.jpg", "a\0b"]);
});
