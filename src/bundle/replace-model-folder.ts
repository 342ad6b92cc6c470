import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { BundleError } from "./bundle-error.js";

/**
 * Has a model folder written beside its place and moves it there once it is whole: what stood there stays until then. Throws
 * a BundleError where the place is taken by something else than a model folder, and whatever `write` throws.
 */
export async function replaceModelFolder<T>(folder: string, write: (part: string) => Promise<T>): Promise<T> {
  const place = resolve(folder);
  const entries: readonly string[] = await readdir(place).catch((cause: NodeJS.ErrnoException): string[] => {
    if (cause.code === "ENOENT") return [];
    throw new BundleError("exists", folder, "is there and is no folder: give another place", { cause });
  });
  if (entries.length > 0 && !entries.includes("config.json")) throw new BundleError("exists", folder, "is there and is no model folder: give another place, or empty it");
  await mkdir(dirname(place), { recursive: true });
  await removeLeftovers(place);
  const part = `${place}.${process.pid}.part`;
  const result = await write(part).catch(async (error: unknown) => {
    await rm(part, { recursive: true, force: true });
    throw error;
  });
  await stat(join(part, "config.json"));
  const old = `${place}.old`;
  await rm(old, { recursive: true, force: true });
  await rename(place, old).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT") throw cause;
  });
  await rename(part, place);
  await rm(old, { recursive: true, force: true });
  return result;
}

/** Removes what processes that were killed left beside a place. */
async function removeLeftovers(place: string): Promise<void> {
  for (const name of await readdir(dirname(place))) {
    const pid = name.startsWith(`${basename(place)}.`) ? /^(\d+)\.part$/.exec(name.slice(basename(place).length + 1))?.[1] : undefined;
    if (pid !== undefined && isGone(Number(pid))) await rm(join(dirname(place), name), { recursive: true, force: true });
  }
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return pid === process.pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
