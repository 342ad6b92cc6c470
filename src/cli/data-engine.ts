import { improveLabels, type DataEngineReport } from "../index.js";
import { deviceOf, given, countOf, type Parsed } from "./arguments.js";
import { printable, UsageError, write, type CliIo } from "./io.js";
import { columns } from "./quantities.js";
import { trainingProgress } from "./training-progress.js";

/** `ramplus data engine`. */
export async function dataEngine(config: string, out: string, values: Parsed["values"], json: boolean, io: CliIo): Promise<number> {
  const report = await improveLabels(config, {
    out,
    resume: values["resume"] === true,
    device: deviceOf(values["device"]) ?? "cpu",
    ...given({ precision: shareOf(values["precision"]), threads: countOf("threads", values["threads"]) }),
    signal: io.signal,
    onUnreadable: (message) => void io.stderr.write(`ramplus: ${printable(message)}\n`),
    onProgress: trainingProgress(io),
  });
  await write(io.stdout, json ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
  return 0;
}

function shareOf(value: string | boolean | undefined): number | undefined {
  if (value === undefined) return undefined;
  const share = typeof value === "string" && value.trim() !== "" ? Number(value) : NaN;
  if (!(share > 0 && share <= 1)) throw new UsageError(`--precision ${String(value)}: expected a share above 0, up to 1`);
  return share;
}

function reportText({ photos, heldOut, steps, changes }: DataEngineReport): string {
  return [
    `${photos} photos, ${heldOut} more kept out\n`,
    ...steps.flatMap(({ name, added, removed, tags, before, after, kept }) => [
      `${name}: ${added} labels added, ${removed} removed; mAP ${before.toFixed(4)} without, ${after.toFixed(4)} with: ${kept ? "kept" : "not kept"}\n`,
      tags.length === 0 ? "" : columns([["  TAG", "ADDED", "REMOVED"], ...tags.slice(0, 12).map((tag) => [`  ${printable(tag.tag)}`, String(tag.added), String(tag.removed)])], [1, 2]),
    ]),
    `${printable(changes)}\n`,
  ].join("");
}
