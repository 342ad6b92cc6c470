import { modelInfo, pathsInfo, spaceInfo } from "@huggingface/hub";
import type { Digest } from "./digest.js";
import type { HttpClient } from "./http-client.js";
import { HubError } from "./hub-error.js";
import { isCommit } from "./hub-cache.js";
import type { HubSettings } from "./hub-settings.js";
import type { HubRepository, OfficialFile } from "./official-files.js";
import { withRetries, type Timing } from "./timing.js";

/** A file as the hub announces it. */
export interface AnnouncedFile {
  readonly path: string;
  readonly url: string;
  readonly size: number;
  readonly digest: Digest;
}

/** What the hub is asked through. */
export interface HubAccess {
  readonly client: HttpClient;
  readonly settings: HubSettings;
  readonly timing: Timing;
  readonly signal?: AbortSignal;
}

/** The hub's address without the slash at its end. */
const base = ({ endpoint }: HubSettings): string => endpoint.href.replace(/\/+$/, "");

/**
 * A `fetch` for the hub's library: through our client, which knows the proxies, keeps the token to its host, tries again, and
 * words what goes wrong.
 */
function fetchThrough({ client, timing, signal }: HubAccess, subject: string): typeof fetch {
  return async (input, init) => {
    const headers: Record<string, string> = {};
    new Headers(init?.headers).forEach((value, key) => (headers[key] = value));
    const request = {
      subject,
      method: init?.method === "POST" ? ("POST" as const) : ("GET" as const),
      headers,
      ...(typeof init?.body === "string" ? { body: init.body } : {}),
      ...(signal === undefined ? {} : { signal }),
    };
    const bytes = await withRetries(timing, signal, () => client.bytes(input instanceof Request ? input.url : input, request));
    return new Response(new Uint8Array(bytes), { headers: { "content-type": "application/json" } });
  };
}

/** Runs a call of the hub's library; an answer that it cannot read is a HubError. */
async function readable<T>(subject: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof HubError || !(cause instanceof SyntaxError || cause instanceof TypeError || (cause as Error).message.startsWith("malformed response"))) throw cause;
    throw new HubError("bad-answer", subject, "the hub's answer is not what the hub answers: check HF_ENDPOINT and the proxy", { cause });
  }
}

/** The commit that a repository stands at. Throws a HubError. */
export async function currentCommit(access: HubAccess, { type, name }: HubRepository): Promise<string> {
  const given = { name, hubUrl: base(access.settings), additionalFields: ["sha" as const], revision: "main", fetch: fetchThrough(access, name) };
  const { sha } = await readable(name, () => (type === "space" ? spaceInfo(given) : modelInfo(given)));
  if (!isCommit(sha)) throw new HubError("bad-answer", name, "the hub names no commit: check HF_ENDPOINT and the proxy");
  return sha;
}

/** Sizes and hashes of files at a commit, checked against what is known of them. Throws a HubError naming the file. */
export async function announcedFiles(access: HubAccess, repository: HubRepository, commit: string, files: readonly OfficialFile[]): Promise<AnnouncedFile[]> {
  const hubUrl = base(access.settings);
  const infos = await readable(repository.name, () => pathsInfo({ repo: repository, revision: commit, paths: files.map(({ path }) => path), hubUrl, fetch: fetchThrough(access, repository.name) }));
  return files.map(({ path, bytes, sha256 }) => {
    const info = infos.find((each) => each.path === path && each.type === "file");
    const subject = `${repository.name}/${path}`;
    if (info === undefined) throw new HubError("not-found", subject, `is not in the repository at commit ${commit.slice(0, 7)}: it was moved or removed. A newer ramplus may know where it is; a file that you have converts with \`ramplus convert FILE\``);
    const size = info.lfs?.size ?? info.size;
    // The hub's large files go by their sha256, the others by git's name of their content.
    const digest: Digest = info.lfs === undefined ? { kind: "gitOid", hex: String(info.oid) } : { kind: "sha256", hex: String(info.lfs.oid).replace(/^sha256:/, "") };
    if (!Number.isSafeInteger(size) || size < 0 || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(digest.hex) || (digest.hex.length === 64) !== (digest.kind === "sha256")) throw new HubError("bad-answer", subject, "the hub announces no size or hash: check HF_ENDPOINT and the proxy");
    if (sha256 !== undefined && (digest.kind !== "sha256" || digest.hex !== sha256)) throw new HubError("wrong-hash", subject, `the hub announces ${digest.kind} ${digest.hex}, and ramplus knows this file by sha256 ${sha256}: it is another file, so it is not fetched; check HF_ENDPOINT`);
    if (bytes !== undefined && bytes !== size) throw new HubError("wrong-size", subject, `the hub announces ${size} bytes, and ramplus knows this file by ${bytes}: it is another file, so it is not fetched; check HF_ENDPOINT`);
    const place = repository.type === "model" ? repository.name : `${repository.type}s/${repository.name}`;
    return { path, url: `${hubUrl}/${place}/resolve/${commit}/${path}`, size, digest };
  });
}
