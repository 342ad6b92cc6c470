import type { Evaluation } from "./evaluate.js";
import type { MeanFigures } from "./evaluate-scores.js";
import { html, Markup } from "./html-markup.js";
import { precisionRecallSvg, type CurveMark } from "./curve-svg.js";
import type { TagFigures } from "./tag-figures.js";
import type { ScoredPhoto, WorstTag } from "./worst-tags.js";

/** What the report shows of photos: names by index, and small JPEG files of those that could be read. */
export interface ReportPhotos {
  readonly names: readonly string[];
  readonly thumbnails: ReadonlyMap<number, Uint8Array>;
}

/** Names in the lists at the end; report.json has all. */
const mostListed = 500;

/** Nothing is loaded from anywhere, and nothing runs. */
const policy = new Markup("default-src 'none'; img-src data:; style-src 'unsafe-inline'");

const style = new Markup(`
:root { color-scheme: light dark; --ink: #1f2328; --soft: #636c76; --line: #d8dee4; --back: #ffffff; --box: #f6f8fa; --curve: #1f6feb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --back: #0d1117; --box: #161b22; --curve: #58a6ff; } }
body { margin: 0 auto; max-width: 68rem; padding: 2rem 1.5rem 4rem; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", sans-serif; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; } h3 { font-size: 1rem; margin: 0; }
p { margin: .5rem 0; } .soft, caption, th, small { color: var(--soft); } .warn { border-left: 4px solid #d97706; padding: .25rem .75rem; background: var(--box); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.tiles div { background: var(--box); border-radius: 8px; padding: .75rem 1rem; } .tiles b { display: block; font-size: 1.5rem; font-weight: 600; }
.side { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
th { font-weight: 500; } th:first-child, td:first-child { text-align: left; min-width: 9rem; overflow-wrap: anywhere; } .scroll { overflow-x: auto; }
svg { max-width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 12px; } .grid { stroke: var(--line); fill: none; } .curve { fill: none; stroke: var(--curve); stroke-width: 2; }
.key { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .4em; }
.tag { display: grid; grid-template-columns: 10rem 1fr; gap: 1rem; border-top: 1px solid var(--line); padding: 1rem 0; }
@media (max-width: 40rem) { .tag { grid-template-columns: 1fr; } }
.photos { display: flex; flex-wrap: wrap; gap: .75rem; margin: .25rem 0 .75rem; }
figure { margin: 0; width: 7.5rem; } figure img, figure .none { width: 7.5rem; height: 6rem; object-fit: contain; background: var(--box); border-radius: 6px; display: block; }
figcaption { font-size: 12px; color: var(--soft); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } .wrong { color: #d1242f; font-weight: 600; }
.bar { display: inline-block; width: 5rem; height: .5rem; background: var(--box); } .bar i { display: block; height: 100%; background: var(--curve); } details ul { columns: 3 14rem; padding-left: 1.2rem; } li { overflow-wrap: anywhere; }
`);

const n = (value: number): string => value.toFixed(3);
const count = (value: number): string => value.toLocaleString("en-US");
const photos = (value: number): string => `${count(value)} photo${value === 1 ? "" : "s"}`;
/** A name of someone's, which may be written from right to left. */
const name = (text: string): Markup => html`<bdi>${text}</bdi>`;

/** The report as one page that needs nothing else. */
export function htmlReport(evaluation: Evaluation, worst: readonly WorstTag[], shown: ReportPhotos, madeBy: string): string {
  const { overall, groups, implied, missing, failed, lacking } = evaluation;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${evaluation.name}: ${n(overall.map)} mAP</title>
<style>${style}</style>
</head>
<body>
<h1>${name(evaluation.name)}</h1>
<p class="soft">${name(evaluation.model)}, ${evaluation.dtype}: ${photos(evaluation.photos)}, ${count(overall.tags)} tags${overall.shown < overall.tags ? `, ${count(overall.shown)} of them shown by a photo` : ""}</p>
${lacking.length > 0 ? html`<p class="warn">Of the ${count(evaluation.listed)} tags ${count(lacking.length)} ${lacking.length === 1 ? "is" : "are"} left out of every figure: the model has no such tag.</p>` : html``}
${missing.length > 0 ? html`<p class="warn">${photos(missing.length)} of those labelled ${missing.length === 1 ? "is" : "are"} not there and left out.</p>` : html``}
${failed.length > 0 ? html`<p class="warn">${photos(failed.length)} could not be read and ${failed.length === 1 ? "is" : "are"} left out.</p>` : html``}
${tiles(evaluation)}
<h2>Precision and recall</h2>
${curveSection(evaluation)}
${groups.length > 0 ? html`<h2>Groups</h2>${groupTable("group", groups)}` : html``}
${worst.length > 0 ? html`<h2>Worst tags</h2>
<p class="soft">Tags of lowest average precision, those with fewer than five photos last. <span class="wrong">Red</span>: decided wrongly at the tag's threshold.</p>
${worst.map((tag) => worstSection(tag, shown))}` : html``}
<h2>All tags</h2>
${tagTable(evaluation.tags)}
${implied.tags.length > 0 ? html`<h2>Implied tags</h2>
<p class="soft">Tags that no label names and that some of them imply: mAP ${n(implied.overall.mapOfShown)} over the ${count(implied.overall.shown)} shown. They have no part in the figures above.</p>
${tagTable(implied.tags)}` : html``}
${list("Tags that the model lacks", lacking)}
${list("Photos that are not there", missing)}
${list("Photos that could not be read", failed.map(({ photo, message, code }) => (message.startsWith(photo) ? `${message} (${code})` : `${photo}: ${message} (${code})`)))}
<p class="soft"><small>${madeBy}. Average precision as in the reference's evaluation; a tag is given when its score is greater than the threshold. All figures: report.json.</small></p>
</body>
</html>
`.text;
}

function tiles({ overall, pooled }: Evaluation): Markup {
  const tile = (label: string, value: string, more: string): Markup => html`<div>${label}<b>${value}</b><small>${more}</small></div>`;
  return html`<div class="tiles">
${tile("mAP", n(overall.map), overall.shown < overall.tags ? `${n(overall.mapOfShown)} over tags shown` : "mean over all tags")}
${tile("Precision", n(overall.precision), `mean of tags ${n(overall.reference.precision)}`)}
${tile("Recall", n(overall.recall), `mean of tags ${n(overall.reference.recall)}`)}
${tile("F1", n(overall.f1), "at the tags' thresholds")}
${pooled.breakEven === null ? html`` : tile("Break-even", n(pooled.breakEven.f1), `one threshold of ${n(pooled.breakEven.threshold)}`)}
${pooled.best === null ? html`` : tile("Best F1", n(pooled.best.f1), `one threshold of ${n(pooled.best.threshold)}`)}
</div>`;
}

function curveSection({ pooled, overall }: Evaluation): Markup {
  const { best, breakEven } = pooled;
  const marks: CurveMark[] = [
    { label: `each tag's own threshold: precision ${n(overall.precision)}, recall ${n(overall.recall)}`, colour: "#d97706", ...overall },
    ...(breakEven === null ? [] : [{ ...breakEven, label: `break-even, threshold ${n(breakEven.threshold)}: precision ${n(breakEven.precision)}, recall ${n(breakEven.recall)}`, colour: "#8250df" }]),
    ...(best === null ? [] : [{ ...best, label: `best F1, threshold ${n(best.threshold)}: precision ${n(best.precision)}, recall ${n(best.recall)}`, colour: "#1a7f37" }]),
  ];
  return html`<div class="side">${precisionRecallSvg(pooled.curve, marks, { side: 320, margin: 44 })}
<div><p>All decisions on all tags, one threshold for all of them falling along the curve.</p>
${marks.map(({ label, colour }) => html`<p><span class="key" style="background:${colour}"></span>${label}</p>`)}</div></div>`;
}

function groupTable(title: string, groups: readonly (MeanFigures & { readonly name: string })[]): Markup {
  return html`<div class="scroll"><table><tr><th>${title}</th><th>tags</th><th>positives</th><th>mAP</th><th>of tags shown</th><th>precision</th><th>recall</th><th>F1</th></tr>
${groups.map((group) => html`<tr><td>${name(group.name)}</td><td>${count(group.tags)}</td><td>${count(group.positives)}</td><td>${n(group.map)}</td><td>${n(group.mapOfShown)}</td><td>${n(group.precision)}</td><td>${n(group.recall)}</td><td>${n(group.f1)}</td></tr>
`)}</table></div>`;
}

function worstSection({ figures, low, high, curve }: WorstTag, shown: ReportPhotos): Markup {
  const { ap, positives, threshold, precision, recall, best } = figures;
  return html`<section class="tag"><div><h3>${name(figures.name)}</h3>
<small>AP ${n(ap)}, ${photos(positives)}<br>${threshold === null ? "never given" : html`threshold ${n(threshold)}:<br>precision ${n(precision)}, recall ${n(recall)}`}${best === null ? html`` : html`<br>best F1 ${n(best.f1)} at ${n(best.threshold)}`}</small>
${precisionRecallSvg(curve, [], { side: 110, margin: 0 })}</div>
<div>${strip("Show it, lowest scores", low, true, shown)}${strip("Do not show it, highest scores", high, false, shown)}</div></section>
`;
}

function strip(title: string, entries: readonly ScoredPhoto[], shows: boolean, { names, thumbnails }: ReportPhotos): Markup {
  if (entries.length === 0) return html``;
  return html`<small>${title}</small><div class="photos">${entries.map(({ photo, score, given }) => {
    const bytes = thumbnails.get(photo);
    const picture = bytes === undefined ? html`<span class="none"></span>` : html`<img alt="" src="data:image/jpeg;base64,${Buffer.from(bytes).toString("base64")}">`;
    return html`<figure title="${names[photo]!}">${picture}<figcaption><span class="${given === shows ? "right" : "wrong"}">${n(score)}</span> ${name(names[photo]!)}</figcaption></figure>`;
  })}</div>`;
}

function tagTable(tags: readonly TagFigures[]): Markup {
  const rows = [...tags].sort((a, b) => Number(b.positives > 0) - Number(a.positives > 0) || b.ap - a.ap);
  const at = (value: number | undefined): string => (value === undefined ? "–" : n(value));
  return html`<div class="scroll"><table><tr><th>tag</th><th>photos</th><th>AP</th><th></th><th>threshold</th><th>precision</th><th>recall</th><th>F1</th><th>best F1</th><th>at</th><th>break-even</th><th>at</th></tr>
${rows.map((tag) => html`<tr><td>${name(tag.name)}</td><td>${count(tag.positives)}</td><td>${n(tag.ap)}</td><td><span class="bar"><i style="width:${(100 * tag.ap).toFixed(1)}%"></i></span></td><td>${tag.threshold === null ? "off" : n(tag.threshold)}</td><td>${n(tag.precision)}</td><td>${n(tag.recall)}</td><td>${n(tag.f1)}</td><td>${at(tag.best?.f1)}</td><td>${at(tag.best?.threshold)}</td><td>${at(tag.breakEven?.f1)}</td><td>${at(tag.breakEven?.threshold)}</td></tr>
`)}</table></div>`;
}

function list(title: string, entries: readonly string[]): Markup {
  if (entries.length === 0) return html``;
  const more = entries.length - mostListed;
  return html`<details${entries.length <= 20 ? new Markup(" open") : html``}><summary>${title}: ${count(entries.length)}</summary><ul>${entries.slice(0, mostListed).map((entry) => html`<li>${name(entry)}</li>`)}</ul>${more > 0 ? html`<p class="soft">and ${count(more)} more: report.json has all</p>` : html``}</details>`;
}
