import { stat } from "node:fs/promises";
import { isTagName } from "../vocab/descriptions.js";
import { DescribeError } from "./describe-error.js";

/** Throws a DescribeError (bad-option) where there are no tags, one is none, or one comes twice. */
export function checkTags(tags: readonly string[]): void {
  if (tags.length === 0) throw new DescribeError("bad-option", "no tags are given");
  const seen = new Set<string>();
  for (const tag of tags) {
    if (!isTagName(tag)) throw new DescribeError("bad-option", `${JSON.stringify(tag.slice(0, 40))} is no tag: expected 1 to 1000 characters, not blank, without control characters`);
    if (seen.has(tag)) throw new DescribeError("bad-option", `the tag ${JSON.stringify(tag)} is given twice`);
    seen.add(tag);
  }
}

/** Throws a DescribeError (exists) where the file is there. */
export async function checkAbsent(out: string): Promise<void> {
  if ((await stat(out).catch(() => null)) !== null) throw new DescribeError("exists", `${out}: is there already, and may be someone's work: name another file, or replace it with --force`);
}
