import { createHash } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";

/** What the server does with one request for a file's content instead of serving it well. */
export type Misbehaviour =
  /** Breaks the connection after so many bytes, of the file or of another one in its place. */
  | { readonly kind: "drop"; readonly after: number; readonly instead?: Buffer }
  /** Sends so many bytes and then nothing, until `until` is there, if it is given. */
  | { readonly kind: "stall"; readonly after: number; readonly until?: Promise<void> }
  /** One byte a time with a pause between, for ever. */
  | { readonly kind: "trickle" }
  /** Turns over a byte. */
  | { readonly kind: "corrupt"; readonly at: number }
  | { readonly kind: "status"; readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | { readonly kind: "redirect"; readonly to: string; readonly status?: number }
  /** The whole file, whatever was asked for. */
  | { readonly kind: "ignore-range" }
  /** A range, but not the one that was asked for. */
  | { readonly kind: "wrong-range" }
  /** Another length in the header than the file has. */
  | { readonly kind: "wrong-length"; readonly length: number }
  /** More bytes than the file has, without a length in the header. */
  | { readonly kind: "too-much" };

export interface ServedFile {
  readonly bytes: Buffer;
  /** Large files go by sha256, as with the hub. @default true */
  readonly lfs?: boolean;
}

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** A hub on the loopback address, with what it was asked. */
export interface MisbehavingServer extends AsyncDisposable {
  readonly origin: string;
  /** The commit that main stands at. */
  readonly commit: string;
  readonly requests: SeenRequest[];
  /** Requests for the content of files. */
  readonly contentRequests: () => SeenRequest[];
  /** Files by path; may be changed while the server runs. */
  readonly files: Map<string, ServedFile>;
  /** Taken one by one by requests for content; when it is empty the server behaves. */
  readonly misbehaviours: Misbehaviour[];
  /** The same for requests of the hub's own interface. */
  readonly apiMisbehaviours: Misbehaviour[];
  /** Answers other paths, such as those of a NuGet server. */
  readonly documents: Map<string, unknown>;
}

const commit = "5".repeat(40);

/** Starts a server that keeps the hub's files and misbehaves as told. */
export async function misbehavingServer(files: Readonly<Record<string, ServedFile>> = {}, tls?: ServerOptions): Promise<MisbehavingServer> {
  const state = {
    commit,
    requests: [] as SeenRequest[],
    files: new Map(Object.entries(files)),
    misbehaviours: [] as Misbehaviour[],
    apiMisbehaviours: [] as Misbehaviour[],
    documents: new Map<string, unknown>(),
  };
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    state.requests.push({ method: request.method!, url: request.url!, headers: request.headers });
    response.on("error", () => undefined);
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => void respond(request, response, Buffer.concat(chunks).toString("utf8")));
  };
  const respond = async (request: IncomingMessage, response: ServerResponse, body: string): Promise<void> => {
    const path = decodeURIComponent(request.url!.split("?")[0]!);
    const document = state.documents.get(path);
    if (document !== undefined) return void json(response, document);
    if (path.startsWith("/api/")) {
      const misbehaviour = state.apiMisbehaviours.shift();
      if (misbehaviour !== undefined) return misbehave(request, response, Buffer.from("{}"), misbehaviour);
      if (path.includes("/paths-info/")) return void json(response, (JSON.parse(body) as { paths: string[] }).paths.flatMap((each) => announcement(each, state.files.get(each))));
      if (path.includes("/revision/")) return void json(response, { _id: "1", id: "a/b", sha: commit, lastModified: "2024-01-01T00:00:00.000Z" });
    }
    const name = /\/resolve\/[^/]+\/(.+)$/.exec(path)?.[1] ?? /^\/content\/(.+)$/.exec(path)?.[1];
    const file = name === undefined ? undefined : state.files.get(name);
    if (file === undefined) return void response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
    const misbehaviour = state.misbehaviours.shift();
    return misbehaviour === undefined ? serve(request, response, file.bytes) : misbehave(request, response, file.bytes, misbehaviour);
  };
  const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    ...state,
    origin: `${tls === undefined ? "http" : "https"}://${tls === undefined ? "127.0.0.1" : "localhost"}:${(server.address() as AddressInfo).port}`,
    contentRequests: () => state.requests.filter(({ url }) => /\/resolve\/|\/content\//.test(url)),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const json = (response: ServerResponse, value: unknown): unknown => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
export const gitOid = (bytes: Uint8Array): string => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

function announcement(path: string, file: ServedFile | undefined): object[] {
  if (file === undefined) return [];
  const { bytes, lfs = true } = file;
  return [{ type: "file", path, size: bytes.length, oid: gitOid(bytes), ...(lfs ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 } } : {}) }];
}

const etagOf = (bytes: Buffer): string => `"${sha256(bytes).slice(0, 16)}"`;

interface Part {
  readonly start: number;
  readonly status: 200 | 206;
  readonly headers: Record<string, string>;
}

function partOf({ headers }: IncomingMessage, bytes: Buffer): Part {
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
  const fits = headers["if-range"] === undefined || headers["if-range"] === etagOf(bytes);
  const start = fits && from < bytes.length ? from : 0;
  const common = { etag: etagOf(bytes), "accept-ranges": "bytes", "content-length": String(bytes.length - start) };
  return start > 0 ? { start, status: 206, headers: { ...common, "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` } } : { start: 0, status: 200, headers: common };
}

async function serve(request: IncomingMessage, response: ServerResponse, bytes: Buffer): Promise<void> {
  const { start, status, headers } = partOf(request, bytes);
  response.writeHead(status, headers).end(request.method === "HEAD" ? undefined : bytes.subarray(start));
}

async function misbehave(request: IncomingMessage, response: ServerResponse, bytes: Buffer, how: Misbehaviour): Promise<void> {
  const { start, status, headers } = partOf(request, bytes);
  const send = (chunk: Buffer): Promise<void> => new Promise((resolve) => response.write(chunk, () => resolve()));
  switch (how.kind) {
    case "drop":
      response.writeHead(status, { ...headers, etag: etagOf(how.instead ?? bytes) });
      await send((how.instead ?? bytes).subarray(start, how.after));
      // What was sent is to arrive: a reset would throw it away.
      response.socket?.end();
      return;
    case "stall":
      response.writeHead(status, headers);
      await send(bytes.subarray(start, how.after));
      if (how.until === undefined) return;
      await how.until;
      response.end(bytes.subarray(how.after));
      return;
    case "trickle": {
      response.writeHead(status, headers);
      let at = start;
      const drip = setInterval(() => response.write(bytes.subarray(at, ++at)), 20);
      response.on("close", () => clearInterval(drip));
      return;
    }
    case "corrupt": {
      const wrong = Buffer.from(bytes);
      wrong[how.at] = wrong[how.at]! ^ 0xff;
      response.writeHead(status, headers).end(wrong.subarray(start));
      return;
    }
    case "status":
      response.writeHead(how.status, how.headers).end(how.body);
      return;
    case "redirect":
      response.writeHead(how.status ?? 302, { location: how.to }).end();
      return;
    case "ignore-range":
      response.writeHead(200, { "content-length": String(bytes.length) }).end(bytes);
      return;
    case "wrong-range":
      response.writeHead(206, { "content-range": `bytes 0-${bytes.length - 1}/${bytes.length}` }).end(bytes);
      return;
    case "wrong-length":
      response.writeHead(200, { "content-length": String(how.length) });
      await send(bytes.subarray(0, Math.min(how.length, bytes.length)));
      response.socket?.end();
      return;
    case "too-much":
      response.writeHead(200, { etag: etagOf(bytes) });
      await send(bytes);
      response.end(bytes);
      return;
  }
}
