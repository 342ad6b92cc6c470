/**
 * Cleans a caption as the reference does before training: lower case; some punctuation to spaces; runs of white space to one
 * space; trimmed; the first `maxWords` words. Commas, hyphens, apostrophes and question marks stay.
 */
export function preCaption(text: string, maxWords: number): string {
  const cleaned = text
    .toLowerCase()
    .replace(/[.!"()*#:;~]/g, " ")
    // Python's white space: Unicode's and the four separators, without the byte order mark that JavaScript counts too.
    .replace(/[\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]{2,}/g, " ")
    .replace(/\n+$/, "")
    .replace(/^ +| +$/g, "");
  return cleaned.split(" ").slice(0, maxWords).join(" ");
}
