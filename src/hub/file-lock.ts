import { open, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { makeFolder, writeFault } from "./disk.js";
import type { Timing } from "./timing.js";

/** A holder that lives touches its lock this often; one untouched for `abandoned` has no holder any more. Milliseconds. */
const touch = 5000;
const abandoned = 60_000;
const poll = 200;

interface LockOptions {
  readonly timing: Pick<Timing, "wait">;
  readonly signal?: AbortSignal;
  /** Called once when another process holds the lock. */
  readonly onWait?: () => void;
}

/**
 * Holds a lock file until disposed, waiting while another process holds it. A lock whose process is gone is taken over. It
 * keeps two processes from doing the same work; that the bytes are right is for their hash to say.
 */
export async function lockFile(file: string, { timing, signal, onWait }: LockOptions): Promise<AsyncDisposable> {
  const owner = JSON.stringify({ pid: process.pid, host: hostname(), time: Date.now(), nonce: Math.random() });
  await makeFolder(dirname(file));
  for (let waited = false; ; ) {
    signal?.throwIfAborted();
    if (await create(file, owner)) break;
    if (await takeOver(file)) continue;
    if (!waited) onWait?.();
    waited = true;
    await timing.wait(poll, signal);
  }
  const beat = setInterval(() => void utimes(file, new Date(), new Date()).catch(() => undefined), touch);
  beat.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(beat);
      // Not if another process took it for abandoned meanwhile.
      if ((await readFile(file, "utf8").catch(() => "")) === owner) await rm(file, { force: true });
    },
  };
}

/** Makes a lock file; false where one is there. Throws a HubError. */
async function create(file: string, owner: string): Promise<boolean> {
  let made = false;
  try {
    await using handle = await open(file, "wx");
    made = true;
    await handle.writeFile(owner);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    // A full disk: an empty lock would look like one that is held.
    if (made) await rm(file, { force: true });
    throw writeFault(cause, file);
  }
}

/** Removes a lock whose holder is gone; whether there is reason to try again at once. */
async function takeOver(file: string): Promise<boolean> {
  const [info, text] = await Promise.all([stat(file).catch(() => null), readFile(file, "utf8").catch(() => "")]);
  if (info === null) return true;
  if (!isGone(text) && Date.now() - info.mtimeMs < abandoned) return false;
  // Renamed first: of two processes that find it abandoned, one gets it.
  const aside = `${file}.${process.pid}.gone`;
  try {
    await rename(file, aside);
  } catch {
    return true;
  }
  await rm(aside, { force: true });
  return true;
}

/** Whether the process that wrote a lock ran on this machine and has ended. */
function isGone(text: string): boolean {
  try {
    const { pid, host } = JSON.parse(text) as { readonly pid: unknown; readonly host: unknown };
    if (host !== hostname() || typeof pid !== "number" || !Number.isInteger(pid) || pid < 1) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
