import { encode } from "html-entities";

/** A piece of HTML, in which everything that came from outside is escaped. */
export class Markup {
  constructor(readonly text: string) {}
}

type Part = string | number | Markup | readonly Markup[];

/** HTML from a template: what is put in is escaped, in texts and in quoted attributes, but for other markup. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  const texts = parts.map((part) => (part instanceof Markup ? part.text : Array.isArray(part) ? part.map(({ text }) => text).join("") : encode(String(part), { mode: "specialChars", level: "html5" })));
  return new Markup(strings.map((text, i) => text + (texts[i] ?? "")).join(""));
}
