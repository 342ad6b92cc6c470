import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readLabelChanges, withLabelChanges, writeLabelChanges } from "../../src/train/label-changes.js";
import type { TrainingPhoto } from "../../src/train/photo-store.js";
import { indexTags } from "../../src/vocab/tag-index.js";
import { temporaryFolder } from "../tiny-model-folder.js";

const tag = (id: number, en: string, parents: string[] = []): { id: number; en: string; zh: string; threshold: null; parents: string[] } => ({ id, en, zh: en, threshold: null, parents });
const index = indexTags([tag(0, "dog", ["animal"]), tag(1, "animal"), tag(2, "car")]);
const photo = (name: string, targets: readonly number[]): TrainingPhoto => ({ name, targets: Int8Array.from(targets), read: async () => new Uint8Array() });

test("added tags are present with what they imply, removed ones unknown; other photos and shared targets stay", () => {
  const shared = photo("s/1", [-1, -1, 1]);
  const photos = [shared, { ...shared, name: "s/2" }, photo("s/3", [-1, 0, -1]), photo("s/4", [0, 1, 1])];
  const changed = withLabelChanges(photos, [{ tag: "Dog", added: ["s/1", "s/3", "elsewhere/9"], removed: ["s/4"] }, { tag: "car", added: [], removed: ["s/1"] }], index);
  assert.deepEqual(changed.map(({ targets }) => [...targets]), [[1, 1, -1], [-1, -1, 1], [1, 0, -1], [-1, 1, 1]]);
  assert.deepEqual([...shared.targets], [-1, -1, 1]);
  assert.throws(() => withLabelChanges(photos, [{ tag: "zebra", added: [], removed: [] }], index), { code: "bad-label-changes", message: /"zebra"/ });
});

test("a file of changes reads back as written; wrong ones are told", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "changes.json");
  const changes = [{ tag: "dog", added: ["s/1"], removed: [] }, { tag: "car", added: [], removed: ["s/2", "s/3"] }];
  await writeLabelChanges(file, changes);
  assert.deepEqual(await readLabelChanges(file), changes);
  for (const [text, message] of [["{", /is not JSON/], ["{}", /are a list/], ['[{"tag": "dog", "added": [1]}]', /entry 0/]] as const) {
    writeFileSync(file, text);
    await assert.rejects(readLabelChanges(file), { code: "bad-label-changes", message });
  }
  await assert.rejects(readLabelChanges(join(folder.path, "none.json")), { code: "bad-label-changes", message: /does not exist/ });
});
