// Feeds the readers of foreign files with hostile ones until the time is over, each part in a process of its own:
//   node tools/fuzz.mjs [--minutes N] [--seed S] [--save FOLDER] [PART...]
//   node tools/fuzz.mjs --replay FILE PART
// An input at fault is saved, and the exit code is 1. The compiled tests must be there (npm run check).
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";

const modules = new URL("../.build/test/fuzz/", import.meta.url);
if (!existsSync(modules)) {
  console.error("the compiled tests are missing: run npm run check first");
  process.exit(1);
}
const { runPart } = await import(new URL("run-part.js", modules).href);
const { fuzzParts } = await import(new URL("parts.js", modules).href);

const { values, positionals } = parseArgs({ allowPositionals: true, options: { minutes: { type: "string", default: "10" }, seed: { type: "string" }, save: { type: "string", default: "fuzz-faults" }, replay: { type: "string" } } });
const names = fuzzParts.map(({ name }) => name);
const parts = positionals.length > 0 ? positionals : names;
const unknown = parts.filter((part) => !names.includes(part));
const minutes = Number(values.minutes);
const firstSeed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
if (unknown.length > 0 || !(minutes > 0) || !Number.isSafeInteger(firstSeed) || (values.replay !== undefined && parts.length !== 1)) {
  console.error(`parts: ${names.join(", ")}; --minutes is a number, --seed a whole number, --replay takes a file and one part`);
  process.exit(2);
}

const patience = 300_000;
let faults = 0;
async function run(part, request) {
  const { inputs, refused, peak, fault } = await runPart({ part, save: values.save, patience, ...request });
  if (fault === null) {
    console.log(`${part}, seed ${request.seed}: ${inputs} inputs, ${refused} refused, ${peak.toFixed(0)} MiB at most`);
    return;
  }
  faults++;
  console.log(`${part}, seed ${request.seed}: FAULT at ${fault.what}\n${fault.problem}\nsaved as ${fault.saved}; again: node tools/fuzz.mjs --replay ${fault.saved} ${part}`);
}

if (values.replay !== undefined) {
  await run(parts[0], { seed: firstSeed, runs: 0, cuts: 1, fixed: "none", replay: values.replay });
} else {
  const end = Date.now() + minutes * 60_000;
  // The hostile files that have names, and all cuts, once; then other random inputs by every seed.
  for (let seed = firstSeed; Date.now() < end; seed++) {
    for (const part of parts) {
      if (Date.now() >= end) break;
      await run(part, { seed, runs: 2000, cuts: 2000, fixed: seed === firstSeed ? "all" : "none" });
    }
  }
}
process.exit(faults > 0 ? 1 : 0);
