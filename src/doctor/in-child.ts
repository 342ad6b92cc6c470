import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ChildFindings, ChildReply, ChildTask } from "./child-task.js";
import type { Checked } from "./diagnosis.js";

export interface ChildOptions {
  /** Milliseconds after which the process is ended. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
  /** The program to run; for tests. @default the project's own */
  readonly program?: string;
}

/** What a native library has to say goes to standard error: kept as far as its end, for the reason of a failure. */
const keptText = 4096;

const ownProgram = fileURLToPath(new URL("./child-process.js", import.meta.url));

/**
 * Performs a check in a process of its own. Gives what it found, or why not: an error, a crash, no end within the limit. `said` is
 * what its libraries wrote to standard error. Throws the signal's reason when aborted.
 */
export function inChild<K extends ChildTask["kind"]>(task: Extract<ChildTask, { readonly kind: K }>, { limit, signal, program = ownProgram }: ChildOptions): Promise<Checked<ChildFindings[K]> & { readonly said: string }> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const child = fork(program, [JSON.stringify(task)], { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [] });
    let said = "";
    let reply: ChildReply | null = null;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, limit);
    const stop = (): void => void child.kill("SIGKILL");
    signal?.addEventListener("abort", stop, { once: true });
    child.stderr!.on("data", (data: Buffer) => (said = (said + data.toString()).slice(-keptText)));
    child.on("message", (message) => (reply = message as ChildReply));
    child.on("error", reject);
    child.on("close", (code, killedBy) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      if (signal?.aborted) return reject(signal.reason);
      // The child is this package's own program, and gives what the task's kind says.
      if (reply !== null && code === 0) return resolve({ ...(reply as Checked<ChildFindings[K]>), said });
      if (late) return resolve({ problem: `did not end within ${limit / 1000} seconds`, code: "time-limit", said });
      const end = killedBy === null ? `ended with exit code ${code}` : `crashed (${killedBy})`;
      resolve({ problem: reply === null ? `its process ${end}` : `it did its work, and then its process ${end}`, code: "crashed", said });
    });
  });
}
