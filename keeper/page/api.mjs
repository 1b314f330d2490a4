// Asks the API. A key stays in this tab's session storage, and goes nowhere but into the header of these requests.

const KEY = "spillway.key";

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** A problem document (RFC 9457), or what stands in its place when nobody answers. */
export class Problem extends Error {
  constructor(status, document, retryAfter) {
    super(document.detail ?? document.title ?? `HTTP ${status}`);
    this.status = status;
    this.code = document.code ?? "unreachable";
    this.nextStep = document.next_step ?? "";
    /** Milliseconds. */
    this.retryAfter = retryAfter * 1000;
  }
}

async function request(path, options = {}) {
  const headers = { ...options.headers };
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, {}, 0);
  }
  if (!answer.ok) {
    const document = await answer.json().catch(() => ({}));
    throw new Problem(answer.status, document, Number(answer.headers.get("retry-after") ?? 0));
  }
  return answer;
}

/** The answer's JSON. */
export async function ask(path) {
  const limit = AbortSignal.timeout(15_000);
  return (
    await request(path, { signal: limit }).catch((error) => {
      throw error instanceof Problem ? error : new Problem(0, {}, 0);
    })
  ).json();
}

/** Sends JSON. The answer's JSON. */
export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** Calls `heard` for each change, until `signal`. Goes on where it was when it was cut off. */
export async function follow(heard, signal) {
  let last = null;
  let wait = 500;
  while (!signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) };
      const answer = await request("/v1/events", { headers, signal });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        text += piece.value;
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events) {
          const id = /^id: ?(.*)$/m.exec(event);
          if (!id) continue;
          last = id[1];
          wait = 500;
          heard();
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      wait = Math.min(Math.max(wait * 2, error.retryAfter ?? 0), 30_000);
    }
    await pause(wait, signal);
  }
}

/** Resolves after `ms`, or when `signal` says so. */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

/** Resolves when somebody can see the page. */
export async function seen() {
  while (document.hidden) {
    await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  }
}
