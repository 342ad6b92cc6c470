import { bytesText, cleanCache, listCache, type CacheEntry } from "../index.js";
import { parseCommand } from "./arguments.js";
import { printable, UsageError, write, type CliIo } from "./io.js";
import { columns } from "./quantities.js";

export const cacheHelp = `ramplus cache [--json]
ramplus cache clean [NAME...] [--yes]

Shows what ramplus keeps: converted models, downloaded files, CUDA libraries. clean frees it, all or by name;
without --yes it shows what it would free. Files of other programs in the Hugging Face hub's cache are left alone.
`;

/** `ramplus cache`. */
export async function cacheCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("cache", args, { json: { type: "boolean" }, yes: { type: "boolean" } });
  const [action, ...names] = positionals;
  if (action !== undefined && action !== "clean") throw new UsageError(`cache ${action}: expected cache or cache clean`);
  if (action === "clean") return clean(names, values["yes"] === true, io);
  if (values["yes"] === true) throw new UsageError("--yes is for cache clean");
  const entries = await listCache();
  if (values["json"] === true) await write(io.stdout, `${JSON.stringify(entries, null, 2)}\n`);
  else await write(io.stdout, entries.length === 0 ? "nothing is kept\n" : table(entries));
  return 0;
}

async function clean(names: readonly string[], yes: boolean, io: CliIo): Promise<number> {
  if (yes) {
    const freed = await cleanCache(names.length === 0 ? "all" : names);
    await write(io.stdout, freed.length === 0 ? "nothing is kept\n" : `${table(freed)}freed ${total(freed)}\n`);
    return 0;
  }
  const entries = await listCache();
  const unknown = names.find((name) => !entries.some((entry) => entry.name === name));
  if (unknown !== undefined) throw new UsageError(`${unknown} is not in the cache (ramplus cache lists it)`);
  const chosen = entries.filter(({ name }) => names.length === 0 || names.includes(name));
  if (chosen.length === 0) await write(io.stdout, "nothing is kept\n");
  else await write(io.stdout, `${table(chosen)}would free ${total(chosen)}: ramplus cache clean ${[...names, "--yes"].map(printable).join(" ")}\n`);
  return 0;
}

const total = (entries: readonly CacheEntry[]): string => bytesText(entries.reduce((sum, { bytes }) => sum + bytes, 0));

const kinds = { model: "converted model", files: "downloaded files", cuda: "CUDA libraries", lists: "tag lists" } as const;

function table(entries: readonly CacheEntry[]): string {
  const rows = entries.map(({ name, kind, bytes, whole, folder }) => [printable(name), bytesText(bytes), `${kinds[kind]}${whole ? "" : ", interrupted"}`, printable(folder)]);
  return columns([["NAME", "SIZE", "WHAT", "WHERE"], ...rows], [1]);
}
