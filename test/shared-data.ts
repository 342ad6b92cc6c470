import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder `shared` beside the checkout, where present. */
const root = (() => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const candidate = join(folder, "shared");
    if (existsSync(join(candidate, "parity", "README.md"))) return candidate;
    if (dirname(folder) === folder) break;
  }
  const candidate = join(process.cwd(), "..", "shared");
  return existsSync(join(candidate, "parity", "README.md")) ? candidate : null;
})();

/** Absolute path of a folder or file in `shared`; throws where it is absent (guard tests with `sharedMissing`). */
export function shared(path: string): string {
  if (root === null) throw new Error(`../shared/${path} is not present`);
  return join(root, path);
}

/** The reason to skip a test that needs `../shared/PATH`, or false where it is present. */
export function sharedMissing(path: string): string | false {
  return root !== null && existsSync(join(root, path)) ? false : `skipped: ../shared/${path} is not present`;
}
