import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of this package: the nearest one above this file whose package.json is ramplus's. */
export function packageRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    try {
      if (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).name === "ramplus") return folder;
    } catch {
      // No package.json here: look further up.
    }
    if (dirname(folder) === folder) throw new Error("the ramplus package has no package.json");
  }
}

function packageJson(): { readonly version: string; readonly engines: { readonly node: string } } {
  return JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8"));
}

/** The version of this package. */
export function packageVersion(): string {
  return String(packageJson().version);
}

/** The versions of Node that this package needs, as its package.json has them: ">=20.9". */
export function packageNodeVersion(): string {
  return packageJson().engines.node;
}
