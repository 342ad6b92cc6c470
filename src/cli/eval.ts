import { evaluateSet, loadHypernyms, Tagger, type SetReport } from "../index.js";
import { choiceOf, countOf, deviceOf, given, parseCommand, precisionOf, textOf } from "./arguments.js";
import { printable, UsageError, write, type CliIo } from "./io.js";

export const evalHelp = `ramplus eval MODEL SET [options]

Tags a split of a labelled set (a folder of tar shards with labels.json) and compares: mAP, AP, precision, recall, F1.

  --split NAME          split of the set (default: val)
  --format FORMAT       text (default) or json
  --limit N             the first N photos only
  --hypernyms FILE      WordNet hypernyms, to tell how often a class or an ancestor comes among the first tags
  --device, --dtype     as for ramplus tag
`;

const options = {
  split: { type: "string" },
  format: { type: "string" },
  limit: { type: "string" },
  hypernyms: { type: "string" },
  device: { type: "string" },
  dtype: { type: "string" },
} as const;

/** A report for people. */
function reportText(r: SetReport): string {
  const n = (v: number): string => v.toFixed(3);
  const lines = [
    `${r.set} ${r.split}: ${r.photos} photos${r.failed.length > 0 ? `, ${r.failed.length} could not be read` : ""}`,
    `  class tags       mAP ${n(r.classMap)} over ${r.classes}; ${n(r.classMapOfTen)} over ${r.classesOfTen} with ten or more photos`,
    `  hypernym tags    mAP ${n(r.hypernymMap)} over ${r.hypernyms}`,
    `  at thresholds    precision ${n(r.precision)}, recall ${n(r.recall)}, F1 ${n(r.f1)}`,
  ];
  if (r.firstTags !== undefined) {
    const { top1, top5, classOrAncestorInThree } = r.firstTags;
    lines.push(`  among classes    first ${n(top1)}, among the first five ${n(top5)}`, `  among all tags   class or an ancestor in the first three ${n(classOrAncestorInThree)}`);
  }
  if (r.untagged.length > 0) lines.push(`  classes without a tag, which count 0: ${r.untagged.map(printable).join(", ")}`);
  const byAp = [...r.tags].filter((tag) => tag.positives > 0).sort((a, b) => b.ap - a.ap);
  lines.push("  tag                          photos     AP  precision  recall     F1");
  for (const t of byAp) lines.push(`  ${printable(t.en).slice(0, 28).padEnd(28)} ${String(t.positives).padStart(6)}  ${n(t.ap)}      ${n(t.precision)}   ${n(t.recall)}  ${n(t.f1)}`);
  return `${lines.join("\n")}\n`;
}

/** `ramplus eval`. */
export async function evalCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("eval", args, options);
  const [model, set] = positionals;
  if (model === undefined || set === undefined || positionals.length > 2) throw new UsageError("eval needs a MODEL and a SET (ramplus eval --help)");
  const format = choiceOf("format", values["format"], ["text", "json"]) ?? "text";
  const file = textOf(values["hypernyms"]);
  const hypernyms = file === undefined ? undefined : await loadHypernyms(file);
  const loading = given({ device: deviceOf(values["device"]), dtype: precisionOf(values["dtype"]) });
  await using tagger = await Tagger.load(model, { ...loading, onNotice: (line) => void io.stderr.write(`ramplus: ${line}\n`), signal: io.signal });
  const report = await evaluateSet(tagger, set, {
    signal: io.signal,
    ...given({ split: textOf(values["split"]), limit: countOf("limit", values["limit"]), hypernyms }),
    onProgress: (done, total) => {
      if (io.stderr.isTTY === true) io.stderr.write(`\r${done} of ${total} photos`);
    },
  });
  if (io.stderr.isTTY === true) io.stderr.write("\r\u001b[K");
  await write(io.stdout, format === "json" ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
  return report.failed.length > 0 ? 1 : 0;
}
