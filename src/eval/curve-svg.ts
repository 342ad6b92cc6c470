import { html, type Markup } from "./html-markup.js";

interface CurvePoint {
  readonly precision: number;
  readonly recall: number;
}

/** A point with a name. */
export interface CurveMark extends CurvePoint {
  readonly label: string;
  readonly colour: string;
}

interface CurveSize {
  readonly side: number;
  /** Room for the axes' words; 0: a curve without any. */
  readonly margin: number;
}

/** Precision (upwards) against recall, both from 0 to 1. */
export function precisionRecallSvg(curve: readonly CurvePoint[], marks: readonly CurveMark[], { side, margin }: CurveSize): Markup {
  const x = (recall: number): string => (margin + recall * side).toFixed(1);
  const y = (precision: number): string => (8 + (1 - precision) * side).toFixed(1);
  const [width, height] = [margin + side + 8, side + 8 + (margin > 0 ? margin : 8)];
  const ticks = margin > 0 ? [0, 0.25, 0.5, 0.75, 1] : [0, 1];
  const grid = ticks.map((at) => html`<path class="grid" d="M${x(at)} ${y(0)}V${y(1)}M${x(0)} ${y(at)}H${x(1)}"/>`);
  const words = margin === 0 ? [] : ticks.map((at) => html`<text x="${x(at)}" y="${8 + side + 16}" text-anchor="middle">${at}</text><text x="${margin - 6}" y="${(8 + (1 - at) * side + 4).toFixed(1)}" text-anchor="end">${at}</text>`);
  const names = margin === 0 ? [] : [html`<text x="${x(0.5)}" y="${height - 4}" text-anchor="middle">recall</text><text transform="translate(12 ${y(0.5)}) rotate(-90)" text-anchor="middle">precision</text>`];
  const line = curve.map(({ precision, recall }) => `${x(recall)},${y(precision)}`).join(" ");
  const dots = marks.map(({ precision, recall, label, colour }) => html`<circle cx="${x(recall)}" cy="${y(precision)}" r="5" fill="${colour}"><title>${label}</title></circle>`);
  return html`<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="precision against recall">${grid}${words}${names}<polyline class="curve" points="${line}"/>${dots}</svg>`;
}
