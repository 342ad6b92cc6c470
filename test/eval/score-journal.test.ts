import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { EvalError, type EvalErrorCode } from "../../src/eval/eval-error.js";
import { openScoreJournal, type JournalEntry, type JournalHead } from "../../src/eval/score-journal.js";

let folder = "";
before(() => (folder = mkdtempSync(join(tmpdir(), "ramplus-journal-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

const head: JournalHead = { model: "abc", dtype: "fp32", orient: true, tags: ["dog", "猫"] };
const entries: JournalEntry[] = [
  { photo: "a.jpg", stamp: "1-2", first: [1, 0, 2], scores: Float32Array.of(0.25, Math.fround(1 / 3)) },
  { photo: "sub/ü \n.jpg", stamp: "", first: [], scores: Float32Array.of(0, 1) },
];

/** What a journal holds when it is opened. */
async function reopen(file: string, own: JournalHead = head, force = false): Promise<{ entries: JournalEntry[]; tags: readonly string[] }> {
  const found: JournalEntry[] = [];
  const journal = await openScoreJournal(file, own, { force, onEntry: (entry) => found.push(entry) });
  await journal.close();
  return { entries: found, tags: journal.tags };
}

async function written(name: string): Promise<string> {
  const file = join(folder, "new", name);
  const journal = await openScoreJournal(file, head, { force: false, onEntry: () => assert.fail("there is nothing yet") });
  for (const entry of entries) await journal.add(entry);
  await journal.close();
  return file;
}

const failsAs = (code: EvalErrorCode, message: RegExp) => (error: unknown): boolean => error instanceof EvalError && error.code === code && message.test(error.message);

test("what was added is there again, to the last bit", async () => {
  assert.deepEqual((await reopen(await written("whole.jsonl"))).entries, entries);
});

test("a last line that a kill cut off is dropped at every length, and work goes on behind the line before it", async () => {
  const whole = readFileSync(await written("cut.jsonl"));
  const file = join(folder, "cut.jsonl");
  const ends = [...whole.keys()].filter((i) => whole[i] === 0x0a).map((i) => i + 1);
  for (let length = 0; length <= whole.length; length++) {
    writeFileSync(file, whole.subarray(0, length));
    const complete = Math.max(ends.filter((end) => end <= length).length - 1, 0);
    assert.deepEqual((await reopen(file)).entries, entries.slice(0, complete), `${length} bytes`);
    assert.deepEqual((await reopen(file)).entries, entries.slice(0, complete), `${length} bytes, opened again`);
  }
});

test("one for more tags serves; one that lacks a tag, of another model, precision or orientation does not, but with force", async () => {
  const file = await written("other.jsonl");
  assert.deepEqual((await reopen(file, { ...head, tags: ["猫"] })).tags, ["dog", "猫"]);
  await assert.rejects(reopen(file, { ...head, tags: ["dog", "bird"] }), failsAs("journal-mismatch", /holds no scores of "bird"/));
  await assert.rejects(reopen(file, { ...head, model: "def" }), failsAs("journal-mismatch", /another model or other banks/));
  await assert.rejects(reopen(file, { ...head, dtype: "q8" }), failsAs("journal-mismatch", /another dtype, "fp32" and not q8/));
  await assert.rejects(reopen(file, { ...head, orient: false }), failsAs("journal-mismatch", /another orient/));
  assert.equal((await reopen(file)).entries.length, 2, "a refusal changes nothing");
  assert.deepEqual((await reopen(file, { ...head, model: "def" }, true)).entries, []);
});

test("someone's file is left alone, a damaged line is named", async () => {
  const file = join(folder, "notes.jsonl");
  for (const text of ["my notes", "my notes\n", '{"format":"other"}\n', "\n"]) {
    writeFileSync(file, text);
    await assert.rejects(reopen(file), failsAs("bad-journal", /is no journal of scores/));
    assert.equal(readFileSync(file, "utf8"), text);
  }
  const damaged = await written("damaged.jsonl");
  for (const line of ["{}", "not JSON", '{"photo":"b","stamp":"","first":[],"scores":"AAAA"}', '{"photo":"b","stamp":"","first":[-1],"scores":"AAAAAAAAAAA="}']) {
    appendFileSync(damaged, `${line}\n`);
    await assert.rejects(reopen(damaged), failsAs("bad-journal", /line 4 is damaged/), line);
    writeFileSync(damaged, readFileSync(damaged, "utf8").slice(0, -line.length - 1));
  }
});
