import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { captionWords, findModel, indexTags, inspectSet, parseCaptions, parseTags, readCaptionedPhotos, readModelFolder, readTextList, writeReferenceList, type SetInspection, type Tag, type TagIndex } from "../index.js";
import { choiceOf, countOf, given, parseCommand, textOf, type Parsed } from "./arguments.js";
import { dataEngine } from "./data-engine.js";
import { printable, UsageError, write, type CliIo } from "./io.js";
import { columns } from "./quantities.js";

export const dataHelp = `ramplus data parse CAPTIONS --out LIST.json [--vocab MODEL|FILE] [--stop FILE] [--split NAME]
ramplus data vocab CAPTIONS [--vocab MODEL|FILE] [--min N] [--split NAME]
ramplus data inspect SET [--sheets DIR]
ramplus data engine CONFIG --out DIR [--precision P]

parse    English captions to tags, as RAM makes its training data: words to dictionary forms, names and aliases of tags found in
         them, the longest first. Writes the reference's training JSON (union_label_id, parse_label_id), for ramplus train
vocab    words and pairs of words that captions use, with those that are tags already: what a vocabulary may want
inspect  a labelled set (tar shards with labels.json) or a folder with a subfolder for each class: counts, what is labelled together,
         duplicates, sizes, photos that cannot be read; --sheets makes a contact sheet of each class
engine   the data engine on a training configuration that starts from a model: labels that its photos lack are proposed, those that
         do not fit dropped; each step is tried by training with and without, and kept if photos kept out are ranked better. Writes
         DIR/changes.json, for "changes" of a configuration, DIR/report.json and contact sheets of what was changed

CAPTIONS is JSON: {"photo.jpg": ["a caption", ...]}, [{"image", "caption", "labels"}], COCO's captions, or labels.json of a set.

  --vocab MODEL|FILE    tags of a model, or a JSON list of tags, or names one a line (default: ramplus-tiny)
  --stop FILE           names of tags that captions say without showing, one a line
  --split NAME          split of labels.json (default: the first)
  --min N               photos that must have a word (default: 20)
  --out FILE            where parse writes; DIR of engine
  --precision P         precision that a proposed tag's score stands for (default: 0.9)
  --resume              go on with a data engine that was interrupted
  --device, --threads   of the data engine, as for ramplus train
  --force               write over a file that is there
  --sheets DIR          where contact sheets go
  --format FORMAT       text (default) or json, on standard output
`;

const options = {
  vocab: { type: "string" },
  stop: { type: "string" },
  split: { type: "string" },
  min: { type: "string" },
  out: { type: "string" },
  force: { type: "boolean" },
  sheets: { type: "string" },
  precision: { type: "string" },
  resume: { type: "boolean" },
  device: { type: "string" },
  threads: { type: "string" },
  format: { type: "string" },
} as const;

type Values = Parsed["values"];

/** `ramplus data`. */
export async function dataCommand(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseCommand("data", args, options);
  const [name, place] = positionals;
  const actions = ["parse", "vocab", "inspect", "engine"] as const;
  if (name === undefined) throw new UsageError(`data needs one of ${actions.join(", ")} (ramplus data --help)`);
  const action = choiceOf("data", name, actions)!;
  if (place === undefined || positionals.length > 2) throw new UsageError(`data ${action} takes one ${action === "inspect" ? "SET" : action === "engine" ? "CONFIG" : "file of CAPTIONS"}`);
  const json = (choiceOf("format", values["format"], ["text", "json"]) ?? "text") === "json";
  switch (action) {
    case "parse":
      return parse(place, values, json, io);
    case "vocab":
      return vocab(place, values, json, io);
    case "inspect":
      return inspect(place, values, json, io);
    case "engine": {
      const out = textOf(values["out"]);
      if (out === undefined) throw new UsageError("data engine needs --out DIR");
      return dataEngine(place, out, values, json, io);
    }
  }
}

async function indexOf(value: string | undefined): Promise<TagIndex> {
  if (value !== undefined && existsSync(value) && statSync(value).isFile()) return indexTags(value.endsWith(".json") ? await tagsOf(value) : (await readTextList(value)).map((en, id) => ({ id, en, zh: en, threshold: null })));
  return indexTags((await readModelFolder(findModel(value))).tags);
}

async function tagsOf(file: string): Promise<Tag[]> {
  let list: unknown;
  try {
    list = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new UsageError(`--vocab ${file}: is not JSON: ${(error as Error).message}`);
  }
  // A vocabulary to be trained has neither ids nor thresholds.
  return parseTags(Array.isArray(list) ? list.map((tag: unknown, id) => (typeof tag === "object" && tag !== null ? { id, threshold: null, ...tag } : tag)) : list, file);
}

async function parse(file: string, values: Values, json: boolean, io: CliIo): Promise<number> {
  const out = textOf(values["out"]);
  if (out === undefined) throw new UsageError("data parse needs --out LIST.json");
  if (existsSync(out) && values["force"] !== true) throw new UsageError(`${out} is there already: --force writes over it`);
  const index = await indexOf(textOf(values["vocab"]));
  const stop = values["stop"] === undefined ? [] : await readTextList(textOf(values["stop"])!);
  const { photos, counts, untagged } = await parseCaptions(await readCaptionedPhotos(file, textOf(values["split"])), index, stop);
  await writeReferenceList(out, photos);
  const tags = [...counts].map(([id, count]) => ({ tag: index.tags[id]!.en, photos: count })).sort((a, b) => b.photos - a.photos);
  const mean = photos.reduce((sum, photo) => sum + photo.union_label_id.length, 0) / photos.length;
  if (json) await write(io.stdout, `${JSON.stringify({ out, photos: photos.length, tagsPerPhoto: mean, untagged, tags }, null, 2)}\n`);
  else await write(io.stdout, `${printable(out)}: ${photos.length} photos, ${tags.length} tags, ${mean.toFixed(1)} a photo\n${untagged.length > 0 ? `labels without a tag: ${printable(untagged.join(", "))}\n` : ""}${columns([["TAG", "PHOTOS"], ...tags.slice(0, 20).map(({ tag, photos: count }) => [printable(tag), String(count)])], [1])}`);
  return 0;
}

async function vocab(file: string, values: Values, json: boolean, io: CliIo): Promise<number> {
  const index = await indexOf(textOf(values["vocab"]));
  const words = await captionWords(await readCaptionedPhotos(file, textOf(values["split"])), index, countOf("min", values["min"]) ?? 20);
  if (json) await write(io.stdout, `${JSON.stringify(words, null, 2)}\n`);
  else await write(io.stdout, columns([["WORD", "KIND", "PHOTOS", "TAG"], ...words.map(({ word, kind, photos, tag }) => [printable(word), kind, String(photos), tag === null ? "" : printable(tag)])], [2]));
  return 0;
}

async function inspect(folder: string, values: Values, json: boolean, io: CliIo): Promise<number> {
  const terminal = io.stderr.isTTY === true;
  const sheets = textOf(values["sheets"]);
  const result = await inspectSet(folder, { ...given({ sheets }), signal: io.signal, onProgress: (done, total) => void (terminal && (done % 50 === 0 || done === total) && io.stderr.write(done === total ? "\r\u001b[K" : `\r${done} of ${total} photos`)) });
  if (json) await write(io.stdout, `${JSON.stringify(result, null, 2)}\n`);
  else await write(io.stdout, inspectionText(result, sheets));
  return result.failed.length + result.missing.length > 0 ? 1 : 0;
}

function inspectionText({ photos, splits, classes, together, same, alike, shorterSide, failed, missing }: SetInspection, sheets: string | undefined): string {
  const groups = (list: readonly (readonly string[])[]): string => list.slice(0, 5).map((group) => `    ${printable(group.slice(0, 4).join("  "))}${group.length > 4 ? `  and ${group.length - 4} more` : ""}\n`).join("") + (list.length > 5 ? `    and ${list.length - 5} more groups\n` : "");
  const lines = [
    `${photos} photos${shorterSide === null ? "" : `, shorter side ${shorterSide.least} to ${shorterSide.greatest} pixels, half of them ${shorterSide.median} or less`}`,
    ...splits.map((split) => `  ${printable(split.name).padEnd(8)} ${split.photos}, ${split.labelled} with labels, ${split.captioned} with captions`),
    `  same bytes      ${same.length} ${same.length === 1 ? "group" : "groups"}`,
    `  look alike      ${alike.length} ${alike.length === 1 ? "group" : "groups"}`,
    `  not readable    ${failed.length}`,
    `  not there       ${missing.length}`,
  ];
  const table = (rows: readonly string[][]): string => columns(rows, [1]);
  return [
    `${lines.join("\n")}\n`,
    same.length > 0 ? `same bytes\n${groups(same)}` : "",
    alike.length > 0 ? `look alike\n${groups(alike)}` : "",
    failed.length > 0 ? `not readable\n${failed.slice(0, 5).map(({ message }) => `    ${printable(message)}\n`).join("")}` : "",
    table([["CLASS", "PHOTOS"], ...classes.map(({ name, photos: count }) => [printable(name), String(count)])]),
    together.length > 0 ? table([["TOGETHER", "PHOTOS"], ...together.slice(0, 10).map(({ classes: [a, b], photos: count }) => [printable(`${a}, ${b}`), String(count)])]) : "",
    sheets === undefined ? "" : `contact sheets: ${printable(sheets)}\n`,
  ].join("");
}
