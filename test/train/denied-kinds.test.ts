import assert from "node:assert/strict";
import { test } from "node:test";
import { denyKinds } from "../../src/train/denied-kinds.js";
import { indexTags } from "../../src/vocab/tag-index.js";

const index = indexTags([{ en: "plant" }, { en: "flower", parents: ["plant"] }, { en: "rose", parents: ["flower"] }, { en: "car" }].map((tag, id) => ({ id, zh: tag.en, threshold: 0.5, ...tag })));

test("without a flower there is no rose; a flower says nothing of roses, nor the absence of a rose of flowers", () => {
  const row = (...targets: number[]): { name: string; targets: Int8Array; read: () => Promise<Uint8Array> } => ({ name: "", targets: Int8Array.from(targets), read: async () => new Uint8Array() });
  const photos = [row(-1, 0, -1, -1), row(0, -1, -1, 1), row(1, 1, -1, -1), row(-1, -1, 0, -1), row(0, -1, 1, -1)];
  denyKinds(photos, index);
  assert.deepEqual(photos.map(({ targets }) => [...targets]), [
    [-1, 0, 0, -1],
    [0, 0, 0, 1],
    [1, 1, -1, -1],
    [-1, -1, 0, -1],
    // What a label says stays.
    [0, 0, 1, -1],
  ]);
});
