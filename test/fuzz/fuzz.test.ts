import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fuzzParts } from "./parts.js";
import { runPart } from "./run-part.js";

// Two at a time: each is a process. The patience is for a machine at its limits, not for the input.
test("every hostile file ends in a result or a coded error, in bounded memory", { concurrency: 2 }, async (t) => {
  await Promise.all(
    fuzzParts
      .filter(({ runs }) => runs > 0)
      .map(({ name, runs }) =>
        t.test(name, async () => {
          const { inputs, refused, fault } = await runPart({ part: name, seed: 20240917, runs, cuts: 25, fixed: "quick", save: join(tmpdir(), "ramplus-fuzz-faults"), patience: 120_000 });
          assert.equal(fault, null, `${fault?.what}\n${fault?.problem}\nsaved as ${fault?.saved}; again: node tools/fuzz.mjs --replay ${fault?.saved} ${name}`);
          // A part in which everything is refused, or nothing is, tests less than it seems to.
          assert.ok(refused > 0 && refused < inputs, `${refused} of ${inputs} refused`);
        }),
      ),
  );
});
