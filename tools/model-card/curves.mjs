// Draws the curves of training runs, one after the other, for a model card: node tools/model-card/curves.mjs RUN... > curves.svg
// RUN is the folder of a run (`ramplus train --out RUN`): its log.jsonl has the loss, averaged here over ten lines, and where the run
// validated the mAP on photos kept out.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

const runs = process.argv.slice(2);
if (runs.length === 0) {
  console.error("node tools/model-card/curves.mjs RUN... > curves.svg");
  process.exit(2);
}
const [width, height, left, right, top, bottom] = [720, 300, 46, 46, 30, 34];

// A run that went on after a kill repeats lines; the later ones count.
const lines = new Map();
let [before, part] = [0, -1];
for (const run of runs) {
  let [phase, start, last] = [null, before, 0];
  for (const text of (await readFile(join(run, "log.jsonl"), "utf8")).trim().split("\n")) {
    const line = JSON.parse(text);
    if (line.phase !== phase) [phase, start, part] = [line.phase, start + last, part + 1];
    last = line.step;
    const at = start + line.step;
    lines.set(at, { ...lines.get(at), ...line, at, part });
  }
  before = start + last;
}
const all = [...lines.values()].sort((a, b) => a.at - b.at);
const losses = all.filter(({ tagging }) => tagging !== undefined);
const smooth = losses.map(({ at, part }, i) => {
  const near = losses.slice(Math.max(0, i - 9), i + 1).filter((line) => line.part === part);
  return { at, part, loss: near.reduce((sum, { tagging }) => sum + tagging, 0) / near.length };
});
const checks = all.filter(({ validation }) => validation !== undefined);

const x = (at) => (left + (at / before) * (width - left - right)).toFixed(1);
const scale = (values) => {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return { low, high, y: (value) => (height - bottom - ((value - low) / (high - low || 1)) * (height - top - bottom)).toFixed(1) };
};
// The first losses of a run are far above the others.
const loss = scale(smooth.filter(({ at }) => at > before / 20).map((line) => line.loss));
const map = scale(checks.map(({ validation }) => validation));
const parts = [...new Set(all.map(({ part }) => part))];
const line = (points, colour) => `<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${points.join(" ")}"/>`;
const word = (px, py, text, anchor, colour = "#555") => `<text x="${px}" y="${py}" text-anchor="${anchor}" fill="${colour}">${text}</text>`;
const inside = smooth.filter((each) => each.loss <= loss.high);
const svg = [
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
  `<rect width="${width}" height="${height}" fill="#fff"/>`,
  `<path d="M${left} ${top}V${height - bottom}H${width - right}V${top}" fill="none" stroke="#aaa"/>`,
  ...parts.flatMap((part) => {
    const own = all.filter((each) => each.part === part);
    const edge = own[0].at === all[0].at ? [] : [`<path d="M${x(own[0].at)} ${top}V${height - bottom}" stroke="#ddd"/>`];
    return [...edge, word(x((own[0].at + own.at(-1).at) / 2), height - 18, own[0].phase, "middle"), line(inside.filter((each) => each.part === part).map((each) => `${x(each.at)},${loss.y(each.loss)}`), "#1f77b4")];
  }),
  ...checks.map(({ at, validation }) => `<circle cx="${x(at)}" cy="${map.y(validation)}" r="3.5" fill="#d62728"/>`),
  word(left - 4, loss.y(loss.high), loss.high.toFixed(2), "end", "#1f77b4"),
  word(left - 4, loss.y(loss.low), loss.low.toFixed(2), "end", "#1f77b4"),
  ...(checks.length === 0 ? [] : [word(width - right + 4, map.y(map.high), map.high.toFixed(3), "start", "#d62728"), word(width - right + 4, map.y(map.low), map.low.toFixed(3), "start", "#d62728")]),
  word(left, 16, "loss of a photo&#8217;s drawn tags", "start", "#1f77b4"),
  word(width - right, 16, "mAP on photos kept out", "end", "#d62728"),
  word(width - right, height - 4, `${before} steps`, "end"),
  "</svg>",
];
process.stdout.write(`${svg.join("\n")}\n`);
