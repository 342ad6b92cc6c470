import { createHash } from "node:crypto";

/** A short name for everything that a kept file depends on. */
export const stampOf = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);
