import { HubError } from "./hub-error.js";

export type Headers = Readonly<Record<string, string | undefined>>;

/** An address for messages: without query, which may hold a signature, and without user name and password. */
export const shownUrl = (url: URL): string => `${url.origin}${url.pathname}`;

/** Seconds of a Retry-After header, in either of its forms. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}

/** The fault that a status says, worded with what to do about it. The server's own text is not shown: it may hold anything. */
export function statusError(status: number, headers: Headers, subject: string, url: URL, sentToken: boolean): HubError {
  const from = shownUrl(url);
  const hubCode = headers["x-error-code"];
  if (status === 401) {
    return new HubError("unauthorized", subject, sentToken ? `${from} does not accept the token (401): make a new one at huggingface.co/settings/tokens and set HF_TOKEN` : `${from} asks for a token (401), as the hub does for what is private, gated or not there: set HF_TOKEN`);
  }
  if (status === 403) {
    const gated = hubCode === "GatedRepo" ? ": accept the repository's terms on its page, with the account of your token" : `: ${sentToken ? "the token may not read it, or the network blocks the host" : "set HF_TOKEN if the repository is private, or ask whether the network blocks the host"}`;
    return new HubError("forbidden", subject, `${from} refuses it (403)${gated}`);
  }
  if (status === 404 || status === 410) {
    const what = hubCode === "RevisionNotFound" ? "this revision is not there any more" : hubCode === "RepoNotFound" ? "the repository is not there any more, or is private" : "the file was moved or removed";
    return new HubError("not-found", subject, `${from}: ${what} (${status}). A newer ramplus may know where it is; a file that you have converts with \`ramplus convert FILE\``);
  }
  if (status === 429) {
    const seconds = retryAfter(headers["retry-after"]);
    const later = seconds === undefined ? "try again later" : `it asks to wait ${Math.ceil(seconds)} seconds`;
    return new HubError("rate-limited", subject, `${from} has had too many requests from here (429): ${later}${sentToken ? "" : ", or set HF_TOKEN, which allows more"}`, given(seconds));
  }
  if (status === 407) return new HubError("unreachable", subject, "the proxy asks for a login (407): put user name and password into HTTPS_PROXY", { passes: false });
  if (status >= 500 || status === 408) return new HubError("server-error", subject, `${from} has trouble (${status}): try again later; what has arrived is kept`, given(retryAfter(headers["retry-after"])));
  return new HubError("refused", subject, `${from} answered ${status}, which was not expected: check HF_ENDPOINT and the proxy`);
}

const given = (seconds: number | undefined): { retryAfter?: number } => (seconds === undefined ? {} : { retryAfter: seconds });

const unreachable: Readonly<Record<string, string>> = {
  ENOTFOUND: "no such host, or no network",
  EAI_AGAIN: "the name cannot be looked up: no network?",
  ECONNREFUSED: "nothing answers there",
  EHOSTUNREACH: "no way to the host",
  ENETUNREACH: "no way to the network",
  ETIMEDOUT: "no connection in time",
  UND_ERR_CONNECT_TIMEOUT: "no connection in time",
};

/** The fault of a request that got no whole answer. */
export function networkError(cause: unknown, subject: string, url: URL): HubError {
  if (cause instanceof HubError) return cause;
  const error = innermost(cause);
  const code = error.code ?? "";
  const from = shownUrl(url);
  const advice = "check the network, HTTPS_PROXY and HF_ENDPOINT";
  if (unreachable[code] !== undefined) return new HubError("unreachable", subject, `${from} cannot be reached: ${unreachable[code]}; ${advice}`);
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/.test(code)) return new HubError("unreachable", subject, `${from}: its certificate is not trusted (${code}): behind a proxy that opens connections, name its certificate in NODE_EXTRA_CA_CERTS`, { passes: false });
  if (/proxy response/i.test(error.message)) return new HubError("unreachable", subject, `the proxy gives no way to ${url.host} (${/\d{3}/.exec(error.message)?.[0] ?? "no reason"}): check HTTPS_PROXY and NO_PROXY`);
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT") return new HubError("stalled", subject, `${from} does not answer in time; ${advice}`);
  if (/^HPE_|UND_ERR_HEADERS_OVERFLOW/.test(code)) return new HubError("bad-answer", subject, `${from} does not speak HTTP as it should (${code}); ${advice}`);
  return new HubError("connection-lost", subject, `the connection to ${from} broke off${code === "" ? "" : ` (${code})`}: start again, what has arrived is kept`);
}

/** The reason below a wrapped error, without what else it holds. */
function innermost(error: unknown): { readonly code?: string; readonly message: string } {
  let at = error as Error & { code?: string };
  for (let depth = 0; depth < 5 && at?.cause instanceof Error && at.code === undefined; depth++) at = at.cause as typeof at;
  // A host of several addresses fails with one error for each.
  const first = at instanceof AggregateError ? (at.errors[0] as { readonly code?: unknown } | undefined) : undefined;
  const code = (at as { readonly code?: unknown } | undefined)?.code ?? first?.code;
  return { ...(typeof code === "string" ? { code } : {}), message: String(at?.message) };
}
