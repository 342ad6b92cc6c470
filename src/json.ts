/** Deepest nesting of lists and objects that is read: no file of this project needs more than ten. */
const depthLimit = 64;

/** Most lists, objects and fields of one text that are read unless more are asked for; each takes some 70 bytes of memory. */
const partLimit = 4_000_000;

/**
 * JSON.parse for texts of strangers: what takes more memory than its length suggests, or cannot be walked by recursion, is refused before it is
 * parsed. Throws a SyntaxError for text that is no JSON, is nested more than 64 deep, has a field of the outermost object twice, or has more than `parts` lists, objects and fields.
 */
export function parseJson(text: string, parts = partLimit): unknown {
  let [depth, count, fields, inString] = [0, 0, 0, false];
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (inString) {
      if (character === 0x5c) at++;
      else if (character === 0x22) inString = false;
    } else if (character === 0x22) {
      inString = true;
    } else if (character === 0x5b || character === 0x7b) {
      count++;
      if (++depth > depthLimit) throw new SyntaxError(`nested more than ${depthLimit} deep`);
    } else if (character === 0x5d || character === 0x7d) {
      depth--;
    } else if (character === 0x3a) {
      count++;
      if (depth === 1) fields++;
    }
  }
  if (count > parts) throw new SyntaxError(`${count} lists, objects and fields; at most ${parts} are read`);
  const value: unknown = JSON.parse(text);
  // JSON.parse takes the last of several; other readers take the first.
  if (fields > 0 && Object.keys(value as object).length !== fields) throw new SyntaxError("a field occurs twice");
  return value;
}

/** A parsed value for a message: as JSON where that is short, else what it is. */
export function showJson(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  if (typeof value !== "object" || value === null) return String(value);
  const size = Array.isArray(value) ? value.length : Object.keys(value).length;
  const flat = size <= 8 && Object.values(value).every((each) => typeof each !== "object" || each === null);
  return flat ? (Array.isArray(value) ? `[${value.map(showJson).join(",")}]` : JSON.stringify(value).slice(0, 200)) : Array.isArray(value) ? `a list of ${size}` : "an object";
}
