import { decode } from "html-entities";

/** Unicode's white space; unlike JavaScript's \s without the byte order mark. */
const whiteSpace = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
/** Python's `str.strip` counts the four separators too. */
const ends = new RegExp(`^[${whiteSpace}\\x1c-\\x1f]+|[${whiteSpace}\\x1c-\\x1f]+$`, "g");
const runs = new RegExp(`[${whiteSpace}]+`, "g");

/**
 * The text that CLIP's tokenizer splits: repaired, HTML entities undone twice, white space made single blanks, lower case.
 * The original repairs with ftfy; of its steps those that guess a wrong decoding (mojibake) and those for entities in
 * capitals or escaped more than twice are left out.
 */
export function cleanText(text: string): string {
  const unescaped = decode(decode(repairText(text))).replace(/\p{Surrogate}/gu, "\ufffd");
  return unescaped.replace(ends, "").replace(runs, " ").replace(ends, "").toLowerCase();
}

/** What windows-1252 has for the bytes 0x80 to 0x9f. */
const windows1252 = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

/** ftfy's steps in its order: terminal escapes, C1 controls, ligatures, width, quotes, surrogates, control characters, NFC. */
export function repairText(text: string): string {
  return (
    text
      .replace(/\x1b\[((?:\d|;)*)([a-zA-Z])/g, "")
      .replace(/[\x80-\x9f]/g, (c) => windows1252[c.charCodeAt(0) - 0x80]!)
      // A long s stays one, where NFKC would make it an s.
      .replace(/ﬅ/g, "ſt")
      .replace(/[ĲĳŉǄ-ǌǱ-ǳﬀ-ﬄﬆ\uff01-\uffef\u3000]/g, (c) => c.normalize("NFKC"))
      .replace(/[\u02bc\u2018-\u201b]/g, "'")
      .replace(/[\u201c-\u201f]/g, '"')
      .replace(/\p{Surrogate}/gu, "\ufffd")
      .replace(/[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g, "")
      .normalize("NFC")
  );
}
