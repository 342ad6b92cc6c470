import type { Readable } from "node:stream";
import { getProxyForUrl } from "proxy-from-env";
import { Agent, ProxyAgent, request, type Dispatcher } from "undici";
import { HubError } from "./hub-error.js";
import { networkError, shownUrl, statusError, type Headers } from "./http-error.js";
import type { Timing } from "./timing.js";

export interface HttpRequest {
  /** What is fetched, for messages. */
  readonly subject: string;
  /** @default "GET" */
  readonly method?: "GET" | "HEAD" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

/** An answer with status 2xx, or 416 to a request for a range. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** To be read or destroyed. */
  readonly body: Readable;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
}

export interface HttpClientOptions {
  readonly timing: Timing;
  /** A token, and the only origin that sees it. */
  readonly credentials?: { readonly origin: string; readonly token: string } | null;
}

const mostRedirects = 10;
const redirects: readonly number[] = [301, 302, 303, 307, 308];
const largestSmallAnswer = 16 * 1024 * 1024;

/**
 * Requests through the proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name. Redirects are followed here: over http and
 * https only, never from https to http, and the token stays with its origin.
 */
export class HttpClient implements AsyncDisposable {
  readonly #timing: Timing;
  readonly #credentials: HttpClientOptions["credentials"];
  readonly #dispatchers = new Map<string, Dispatcher>();

  constructor({ timing, credentials = null }: HttpClientOptions) {
    this.#timing = timing;
    this.#credentials = credentials;
  }

  /** One request, redirects followed. Throws a HubError for every answer but a good one, and the signal's reason when aborted. */
  async open(address: string | URL, { subject, method = "GET", headers = {}, body, signal }: HttpRequest): Promise<HttpAnswer> {
    let url = new URL(address);
    const seen = new Set<string>();
    for (;;) {
      signal?.throwIfAborted();
      const sentToken = this.#credentials?.origin === url.origin;
      const response = await this.#send(url, subject, {
        method,
        headers: { "user-agent": "ramplus", "accept-encoding": "identity", ...headers, ...(sentToken ? { authorization: `Bearer ${this.#credentials!.token}` } : {}) },
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
      });
      const { statusCode: status } = response;
      // The connection may break before anybody reads: whoever reads later meets the error then.
      response.body.on("error", () => undefined);
      const answered = single(response.headers);
      if (redirects.includes(status)) {
        response.body.destroy();
        seen.add(url.href);
        url = nextUrl(url, answered["location"], subject);
        if (seen.has(url.href) || seen.size > mostRedirects) throw new HubError("bad-redirect", subject, `${shownUrl(url)} is redirected in a circle: check HF_ENDPOINT and the proxy`);
        continue;
      }
      if ((status >= 200 && status < 300) || (status === 416 && headers["range"] !== undefined)) return { status, headers: answered, body: response.body, url };
      response.body.destroy();
      throw statusError(status, answered, subject, url, sentToken);
    }
  }

  /** The bytes of a small answer. Throws as `open`, and a HubError for an answer that is too large or stalls. */
  async bytes(address: string | URL, given: HttpRequest): Promise<Buffer> {
    const late = AbortSignal.timeout(this.#timing.answer + this.#timing.stall);
    const { body, url } = await this.open(address, given);
    const chunks: Uint8Array[] = [];
    let size = 0;
    const stop = (): void => void body.destroy(new HubError("stalled", given.subject, `${shownUrl(url)} does not finish its answer: try again later`));
    late.addEventListener("abort", stop, { once: true });
    try {
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        chunks.push(chunk);
        size += chunk.byteLength;
        if (size > largestSmallAnswer) throw new HubError("too-large", given.subject, `${shownUrl(url)} answers with more than ${largestSmallAnswer} bytes where a few were expected: check HF_ENDPOINT and the proxy`);
      }
    } catch (cause) {
      given.signal?.throwIfAborted();
      throw networkError(cause, given.subject, url);
    } finally {
      late.removeEventListener("abort", stop);
      body.destroy();
    }
    return Buffer.concat(chunks);
  }

  async #send(url: URL, subject: string, options: Omit<Dispatcher.RequestOptions, "origin" | "path">): Promise<Dispatcher.ResponseData> {
    try {
      return await request(url, { ...options, dispatcher: this.#dispatcherFor(url), headersTimeout: this.#timing.answer, bodyTimeout: 0 });
    } catch (cause) {
      (options.signal as AbortSignal | undefined)?.throwIfAborted();
      throw networkError(cause, subject, url);
    }
  }

  #dispatcherFor(url: URL): Dispatcher {
    const proxy = getProxyForUrl(url.href);
    const known = this.#dispatchers.get(proxy);
    if (known !== undefined) return known;
    // A variable that is no address, or not one of an HTTP proxy; it may hold a password, so it is not shown.
    if (proxy !== "" && (!URL.canParse(proxy) || !/^https?:$/.test(new URL(proxy).protocol))) throw new HubError("bad-option", "HTTPS_PROXY", "expected the address of an HTTP proxy, as in http://proxy:3128");
    const connect = { timeout: this.#timing.answer };
    const made = proxy === "" ? new Agent({ connect }) : new ProxyAgent({ uri: proxy, connect });
    this.#dispatchers.set(proxy, made);
    return made;
  }

  /** Ends all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((each) => each.destroy()));
  }
}

function nextUrl(from: URL, location: string | undefined, subject: string): URL {
  if (location === undefined || !URL.canParse(location, from.href)) throw new HubError("bad-redirect", subject, `${shownUrl(from)} redirects to no address: check HF_ENDPOINT and the proxy`);
  const to = new URL(location, from.href);
  if (to.protocol !== "https:" && to.protocol !== "http:") throw new HubError("bad-redirect", subject, `${shownUrl(from)} redirects to ${to.protocol} addresses, which are not followed: check HF_ENDPOINT and the proxy`);
  if (from.protocol === "https:" && to.protocol === "http:") throw new HubError("bad-redirect", subject, `${shownUrl(from)} redirects from https to http, which is not followed: check HF_ENDPOINT and the proxy`);
  return to;
}

function single(headers: Readonly<Record<string, string | string[] | undefined>>): Headers {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), Array.isArray(value) ? value[0] : value]));
}
