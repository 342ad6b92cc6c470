/** The process in which one part's inputs are read: `node fuzz-process.js REQUEST`, started by `runPart`. It reports over its channel. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { RamplusError } from "../../src/error.js";
import { damaged } from "./damage.js";
import type { FuzzPart } from "./part.js";
import { fuzzParts } from "./parts.js";

export interface FuzzRequest {
  readonly part: string;
  readonly seed: number;
  readonly runs: number;
  /** Lengths at which each original is cut off, at most. */
  readonly cuts: number;
  /** Read the named inputs (the slow ones too, or not) and the originals besides random ones. */
  readonly fixed: "all" | "quick" | "none";
  readonly folder: string;
  /** A saved input to read, and nothing else. */
  readonly replay?: string;
}

export type FuzzMessage =
  | { readonly kind: "reading"; readonly what: string }
  | { readonly kind: "failed"; readonly what: string; readonly problem: string }
  | { readonly kind: "done"; readonly inputs: number; readonly refused: number; readonly peak: number };

/** How reading one input went wrong. */
class Fault extends Error {}

const request = JSON.parse(process.argv[2]!) as FuzzRequest;
const part: FuzzPart = fuzzParts.find(({ name }) => name === request.part)!;
const file = join(request.folder, part.fileName);
const send = (message: FuzzMessage): void => void process.send!(message);
const peak = (): number => process.resourceUsage().maxRSS / 1024;
let now = "start";
let inputs = 0;
let refused = 0;

/** Ends the process: the input at fault lies in the file. */
function fail(what: string, problem: unknown): void {
  const message: FuzzMessage = { kind: "failed", what, problem: problem instanceof Fault ? problem.message : problem instanceof Error ? `not a coded error: ${problem.stack ?? problem.message}` : String(problem) };
  process.send!(message, () => process.exit(1));
}
process.on("uncaughtException", (error) => fail(`${now} (thrown outside of the reader's promise)`, error));

async function attempt(what: string, bytes: Uint8Array, ends?: string): Promise<void> {
  now = what;
  inputs++;
  // Before it is read: if this process dies, its starter finds the input there.
  writeFileSync(file, bytes);
  send({ kind: "reading", what });
  let end = "read";
  try {
    await part.read(file);
  } catch (error) {
    if (!(error instanceof RamplusError)) throw error;
    if (error.message.length > 20_000) throw new Fault(`a message of ${error.message.length} characters`);
    end = error.code;
    refused++;
  }
  if (ends !== undefined && end !== ends) throw new Fault(`ended as ${end}, expected ${ends}`);
  if (peak() > part.peak) {
    // A peak does not go down again: a smaller input would look as bad.
    fail(what, new Fault(`the process had ${peak().toFixed(0)} MiB at its peak, at most ${part.peak} are allowed`));
    await new Promise(() => undefined);
  }
}

/** Reads random inputs; on a fault the smallest one found is in the file. */
async function property(what: string, bytes: fc.Arbitrary<Uint8Array>): Promise<void> {
  let first: unknown;
  const checked = await fc.check(
    fc.asyncProperty(bytes, async (input) => {
      try {
        await attempt(`${what}, input ${inputs}`, input);
      } catch (error) {
        first ??= error;
        throw error;
      }
    }),
    { seed: request.seed, numRuns: request.runs, interruptAfterTimeLimit: 600_000, markInterruptAsFailure: false },
  );
  if (!checked.failed || checked.counterexample === null) return;
  writeFileSync(file, checked.counterexample[0]);
  fail(`${what}, seed ${request.seed}, path ${checked.counterexamplePath}`, checked.errorInstance ?? first);
  await new Promise(() => undefined);
}

try {
  await part.prepare?.(request.folder);
  if (request.replay !== undefined) {
    await attempt(request.replay, readFileSync(request.replay));
  } else {
    const originals = (await part.originals?.()) ?? [];
    if (request.fixed !== "none") {
      for (const { what, bytes, ends, slow = false } of (await part.named?.()) ?? []) if (!slow || request.fixed === "all") await attempt(what, typeof bytes === "function" ? bytes() : bytes, ends);
      for (const { what, bytes } of originals) await attempt(what, bytes, "read");
      for (const { what, bytes } of originals) {
        const step = Math.max(1, Math.ceil(bytes.length / request.cuts));
        for (let length = 0; length < bytes.length; length += step) await attempt(`${what} cut off at ${length}`, bytes.subarray(0, length));
      }
    }
    if (part.structured !== undefined) await property("structured", part.structured());
    if (originals.length > 0) await property("damaged", damaged(originals.map(({ bytes }) => bytes), part.repair));
  }
  process.send!({ kind: "done", inputs, refused, peak: peak() } satisfies FuzzMessage, () => process.exit(0));
} catch (error) {
  fail(now, error);
}
