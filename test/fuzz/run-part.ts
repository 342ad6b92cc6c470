import { fork } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FuzzMessage, FuzzRequest } from "./fuzz-process.js";
import { fuzzParts } from "./parts.js";

export interface FuzzRun extends Omit<FuzzRequest, "folder"> {
  /** Folder for an input at fault; made when there is one. */
  readonly save: string;
  /** Milliseconds that one input may take before it counts as never ending. */
  readonly patience: number;
}

export interface FuzzOutcome {
  readonly inputs: number;
  /** Inputs that ended in a coded error. */
  readonly refused: number;
  /** MiB of the process at its peak. */
  readonly peak: number;
  readonly fault: { readonly what: string; readonly problem: string; readonly saved: string } | null;
}

/** Heap of the process in MiB: an allocation without bound ends it, and is a fault. */
const heap = 1024;

/**
 * Reads a part's inputs in a process of its own, so that one that never ends, takes all memory or aborts the process is a finding like any
 * other: the input that was being read is saved.
 */
export async function runPart({ save, patience, ...request }: FuzzRun): Promise<FuzzOutcome> {
  const part = fuzzParts.find(({ name }) => name === request.part);
  if (part === undefined) throw new Error(`no part ${request.part}; there are ${fuzzParts.map(({ name }) => name).join(", ")}`);
  const folder = mkdtempSync(join(tmpdir(), "ramplus-fuzz-"));
  try {
    const child = fork(fileURLToPath(new URL("./fuzz-process.js", import.meta.url)), [JSON.stringify({ ...request, folder } satisfies FuzzRequest)], { execArgv: [`--max-old-space-size=${heap}`], stdio: ["ignore", "pipe", "pipe", "ipc"] });
    let [reading, printed, late] = ["start", "", false];
    let last: FuzzMessage | undefined;
    const watch = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, patience);
    for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (text) => (printed = (printed + String(text)).slice(-4000)));
    child.on("message", (message: FuzzMessage) => {
      watch.refresh();
      if (message.kind === "reading") reading = message.what;
      else last = message;
    });
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => child.on("close", (...end) => resolve(end)));
    clearTimeout(watch);
    if (last?.kind === "done" && code === 0) return { inputs: last.inputs, refused: last.refused, peak: last.peak, fault: null };
    const input = join(folder, part.fileName);
    const saved = join(save, `${part.name}-${request.seed}-${Date.now()}${extname(part.fileName)}`);
    mkdirSync(save, { recursive: true });
    if (existsSync(input)) copyFileSync(input, saved);
    const fault = last?.kind === "failed" ? last : { what: reading, problem: late ? `did not end within ${patience / 1000} s` : `the process ended by ${signal ?? `code ${code}`}\n${printed}` };
    return { inputs: 0, refused: 0, peak: 0, fault: { what: fault.what, problem: fault.problem, saved } };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
