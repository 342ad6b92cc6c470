import fc from "fast-check";
import type { NamedInput } from "./part.js";

/** JSON texts of values that no field expects, written out: some cannot be made from a value. */
const strange = fc.constantFrom(
  "null", "true", "0", "-1", "0.5", "1e999", "-1e999", "9007199254740993", '""', '"a"', '"__proto__"', '"\\ud800"', '"../../../etc/passwd"', '"\\u0000"', "[]", "{}", "[null]", "[[]]", "[{}]", '{"__proto__":{}}', '{"length":4294967295}',
  `"${"x".repeat(5000)}"`, `[${"1,".repeat(5000)}1]`, "[".repeat(20_000) + "]".repeat(20_000), '{"a":'.repeat(5000) + "1" + "}".repeat(5000),
);

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Every place of a value: the keys and indices that lead to it. */
function paths(value: Json, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...path, key]))];
}

/** The value's text with the text `put` at a place: in its stead, or beside it under the same name or another. */
function textWith(value: Json, path: readonly string[], put: string, how: "replaced" | "removed" | "twice" | "more"): string {
  if (path.length === 0) return put;
  const [first, ...rest] = path;
  const list = Array.isArray(value);
  const members = Object.entries(value as Record<string, Json>).flatMap(([key, inner]) => {
    const member = (text: string, name = key): string => (list ? text : `${JSON.stringify(name)}:${text}`);
    if (key !== first) return [member(JSON.stringify(inner))];
    if (rest.length > 0) return [member(textWith(inner, rest, put, how))];
    if (how === "removed") return [];
    if (how === "replaced") return [member(put)];
    return [member(JSON.stringify(inner)), member(put, how === "twice" ? key : `${key}X`)];
  });
  return list ? `[${members.join(",")}]` : `{${members.join(",")}}`;
}

/** Texts of a valid value in which one or two fields are of another kind, missing, there twice, or unknown. */
export function strangeJson(values: readonly Json[]): fc.Arbitrary<Uint8Array> {
  return fc
    .constantFrom(...values)
    .chain((value) => fc.tuple(fc.constantFrom(...paths(value)), strange, fc.constantFrom("replaced", "replaced", "removed", "twice", "more"), fc.constantFrom("", "\ufeff", " \n", "\0")).map(([path, put, how, before]) => Buffer.from(before + textWith(value, path, put, how as "replaced"))));
}

/** JSON that is too much of something; a million deep is more than the engine's stack holds. */
export const jsonBombs: readonly NamedInput[] = [
  { what: "eight million lists within one another, never closed", bytes: () => Buffer.alloc(8_000_000, "["), slow: true },
  { what: "a million lists within one another", bytes: Buffer.from("[".repeat(1_000_000) + "]".repeat(1_000_000)) },
  { what: "six million empty objects", bytes: () => Buffer.from(`[${"{},".repeat(6_000_000)}{}]`), slow: true },
  { what: "a million fields", bytes: () => Buffer.from(`{${Array.from({ length: 1_000_000 }, (_, i) => `"${i}a":0`).join(",")}}`), slow: true },
  { what: "a text of ten million characters", bytes: Buffer.from(`"${"x".repeat(10_000_000)}"`) },
  { what: "no UTF-8", bytes: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]) },
  { what: "an empty file", bytes: Buffer.alloc(0) },
];
