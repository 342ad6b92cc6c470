import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a request asked. */
export interface Asked {
  readonly prompt: string;
  readonly n: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly authorization: string | undefined;
  readonly path: string;
}

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON, a string as it is. */
  readonly body: unknown;
}

export interface ChatServer extends AsyncDisposable {
  readonly baseUrl: string;
  readonly asked: readonly Asked[];
  /** Most requests that were open at the same time. */
  readonly mostOpen: () => number;
}

/** The choices that OpenAI's server would give: `n` answers that name the prompt. */
export function choices(prompt: string, n: number): Reply {
  return { body: { choices: Array.from({ length: n }, (_, i) => ({ message: { role: "assistant", content: ` ${prompt} answer ${i} ` } })), usage: { prompt_tokens: 10, completion_tokens: 20 * n } } };
}

/** A server on this machine that speaks chat completions; `reply` may fail in any way, "hang up" ends the connection, "wait" never answers. */
export async function startChatServer(reply: (asked: Asked, count: number) => Reply | "hang up" | "wait"): Promise<ChatServer> {
  const asked: Asked[] = [];
  let [open, most] = [0, 0];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    most = Math.max(most, ++open);
    response.on("close", () => open--);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString("utf8");
    const body = (text === "" ? {} : JSON.parse(text)) as { messages?: { content: string }[]; n?: number };
    const one: Asked = { prompt: body.messages?.[0]?.content ?? "", n: body.n ?? 1, body: body as Record<string, unknown>, authorization: request.headers.authorization, path: request.url ?? "" };
    asked.push(one);
    const given = reply(one, asked.length);
    if (given === "wait") return;
    if (given === "hang up") return void request.socket.destroy();
    response.writeHead(given.status ?? 200, { "content-type": "application/json", ...given.headers });
    response.end(typeof given.body === "string" ? given.body : JSON.stringify(given.body));
  };
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asked,
    mostOpen: () => most,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
