import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { preCaption } from "../../src/data/pre-caption.js";
import { shared, sharedMissing } from "../shared-data.js";

test("captions are cleaned as by the reference", { skip: sharedMissing("parity/schedules") }, () => {
  const file = JSON.parse(readFileSync(shared("parity/schedules/pre_caption.json"), "utf8"));
  const cases = (Array.isArray(file) ? file : file.cases) as { text: string; max_words: number; result: string }[];
  assert.ok(cases.length > 3);
  for (const c of cases) assert.equal(preCaption(c.text, c.max_words), c.result, JSON.stringify(c.text));
});
