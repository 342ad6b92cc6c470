import { DescribeError } from "./describe-error.js";

/** A server that speaks OpenAI's chat completions. */
export interface Endpoint {
  /** Address of the interface, such as https://api.openai.com/v1; `/chat/completions` is added. */
  readonly baseUrl: string;
  readonly model: string;
  /** Sent as a bearer token; null for a server that needs none. */
  readonly key: string | null;
}

export const openAiBaseUrl = "https://api.openai.com/v1";

/**
 * The address that requests go to. Throws a DescribeError: bad-endpoint (no http(s) address, credentials in it, a key that would travel
 * unencrypted to another machine), no-key (OpenAI's own server without one), bad-key (what no header can carry), bad-option (no model).
 */
export function requestUrl({ baseUrl, model, key }: Endpoint): URL {
  if (model.trim() === "") throw new DescribeError("bad-option", "no model is named: say which one the server should answer with");
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : null;
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) throw new DescribeError("bad-endpoint", "the base URL is no http: or https: address; expected one such as https://api.openai.com/v1");
  if (url.username !== "" || url.password !== "") throw new DescribeError("bad-endpoint", `the base URL of ${url.host} holds a name or password: give the key by an environment variable instead`);
  // The value is not shown: this is where a key with a line break would be.
  if (key !== null && !/^[\x21-\x7e]+$/.test(key)) throw new DescribeError("bad-key", "the key holds blanks, line breaks or other signs that no key has: check the environment variable");
  if (key === null && url.hostname === "api.openai.com") throw new DescribeError("no-key", "api.openai.com needs a key: put it into the environment variable OPENAI_API_KEY");
  if (key !== null && url.protocol === "http:" && !isThisMachine(url.hostname)) throw new DescribeError("bad-endpoint", `http://${url.host} would get the key unencrypted: use https, or send no key`);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/chat/completions`;
  url.hash = "";
  return url;
}

function isThisMachine(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
