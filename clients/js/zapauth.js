/**
 * For services beside ZapAuth: ask its gate about each request, so that a logged-out token is refused at once.
 * Needs `fetch`: Node 18 or newer, Deno, Bun, workers. No dependencies. Nothing is kept between two requests.
 */

const NO_TOKEN = 'Bearer realm="zapauth"';
const BAD_TOKEN = `${NO_TOKEN}, error="invalid_token", error_description="The token is not valid."`;
const LARGEST = 65_536; // bytes of an answer
const LONGEST_TOKEN = 8192; // characters
const LONGEST_WAIT = 60; // seconds
const OPTIONS = ["url", "app", "role", "level", "timeoutMs", "acceptUnchecked"];
const ID = /^[0-9a-f]{24}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const BROKEN = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

/** Why a request does not pass. Answer it with `status` and `headers`, and do nothing else for it. */
export class NotPassed extends Error {
  constructor(message, { status, error, headers, cause }) {
    super(message, { cause });
    this.name = new.target.name;
    this.status = status;
    this.error = error;
    this.headers = { "Cache-Control": "no-store", ...headers };
  }
}

/** 401: there is no token, or it is not live. */
export class Refused extends NotPassed {
  constructor(challenge = NO_TOKEN) {
    const headers = { "WWW-Authenticate": challenge };
    super("Send an access token that is live, in the header Authorization.", { status: 401, error: "invalid_token", headers });
  }
}

/** 403: the token is live, but of another app, level or role. */
export class Forbidden extends NotPassed {
  constructor(challenge = NO_TOKEN) {
    const headers = { "WWW-Authenticate": challenge };
    super("The token does not reach this service.", { status: 403, error: "insufficient_scope", headers });
  }
}

/** 503: nobody knows whether the token is live. `reason` says why, for your log and not for the client. */
export class Unavailable extends NotPassed {
  constructor(reason, { retryAfter = 2, cause } = {}) {
    const headers = { "Retry-After": String(retryAfter) };
    super("The token can't be checked now. Try again later.", { status: 503, error: "temporarily_unavailable", headers, cause });
    this.reason = reason;
  }
}

/**
 * Make a gate. `check(authorization)` resolves to whose token it is, or rejects with Refused, Forbidden or Unavailable.
 * Throws TypeError if an option is wrong or unknown. The types in zapauth.d.ts say what each option means.
 */
export function createGate(options) {
  const { url, app = [], role = [], level = "user", timeoutMs = 1000, acceptUnchecked = false } = options;
  const unknown = Object.keys(options).filter((name) => !OPTIONS.includes(name));
  if (unknown.length) throw new TypeError(`there is no option ${unknown.join(", ")}`);
  if (level !== "user" && level !== null) throw new TypeError("`level` is 'user' or null");
  if (!(timeoutMs > 0)) throw new TypeError("`timeoutMs` must be more than 0");
  const roles = [role].flat();
  const target = gateUrl(url, { app: [app].flat(), role: roles, level: level ? [level] : [] });

  async function check(authorization) {
    const header = (authorization ?? "").trim();
    if (!hasToken(header)) throw new Refused();
    if (header.length > LONGEST_TOKEN || !/^[ -~]*$/.test(header)) throw new Refused(BAD_TOKEN);
    const { response, body } = await answer(target, header, timeoutMs);
    if (response.status !== 200) throw refusal(response);
    const verdict = verdictIn(response, body);
    if (!verdict.isChecked && !acceptUnchecked) throw new Unavailable("the gate could not check the token");
    // A proxy may have dropped the query. The gate would have refused these.
    if ((level && verdict.level !== level) || (roles.length && !roles.includes(verdict.role))) {
      throw new Unavailable("the gate did not get the options");
    }
    return verdict;
  }
  return { check };
}

/**
 * Middleware for Express, Connect and others with `(request, response, next)`. It needs a live token, and sets
 * `request.zapauth`. `onUnavailable(error)` is for your log.
 */
export function expressMiddleware(gate, { onUnavailable } = {}) {
  return async function zapauth(request, response, next) {
    try {
      request.zapauth = await gate.check(request.headers.authorization);
    } catch (error) {
      const refused = error instanceof NotPassed ? error : new Unavailable("an error", { cause: error });
      if (refused instanceof Unavailable) onUnavailable?.(refused);
      response.statusCode = refused.status;
      for (const [name, value] of Object.entries(refused.headers)) response.setHeader(name, value);
      response.setHeader("Content-Type", "application/json");
      response.end(bodyOf(refused));
      return;
    }
    next();
  };
}

/** Turn an error of `check` into a Response, for servers with `fetch(request)`. Throws any other error again. */
export function toResponse(error) {
  if (!(error instanceof NotPassed)) throw error;
  return new Response(bodyOf(error), {
    status: error.status,
    headers: { ...error.headers, "Content-Type": "application/json" },
  });
}

function bodyOf(error) {
  return JSON.stringify({ error: error.error, error_description: error.message });
}

function hasToken(header) {
  return /^(bearer|buddy)( |$)/i.test(header);
}

function gateUrl(url, options) {
  const target = new URL(url);
  if (!["http:", "https:"].includes(target.protocol) || target.username || target.hash) {
    throw new TypeError("not a URL of HTTP, or one with more than host and path");
  }
  if (target.search) throw new TypeError("give `app`, `level` and `role` as options, and not in the URL");
  for (const [name, values] of Object.entries(options)) {
    for (const value of values) {
      if (typeof value !== "string" || !value) throw new TypeError(`\`${name}\` must be a text that is not empty`);
      target.searchParams.append(name, value);
    }
  }
  return target.href;
}

/** Ask once; again only if the connection broke, because the server may have closed an idle one while we sent. */
async function answer(url, authorization, timeoutMs) {
  const signal = AbortSignal.timeout(timeoutMs); // for both, and for the body
  try {
    try {
      return await ask(url, authorization, signal);
    } catch (error) {
      if (!BROKEN.has(error?.cause?.code)) throw error;
      return await ask(url, authorization, signal);
    }
  } catch (error) {
    throw new Unavailable(`the gate does not answer: ${error?.cause?.code ?? error?.message}`, { cause: error });
  }
}

async function ask(url, authorization, signal) {
  const headers = { Authorization: authorization, Accept: "application/json" };
  const response = await fetch(url, { headers, signal, redirect: "manual" });
  return { response, body: await textOf(response) };
}

/** Read a body up to its largest size. Whatever is not read to its end would keep the connection. */
async function textOf(response) {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (const reader = response.body?.getReader(); reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > LARGEST) {
      await reader.cancel();
      throw new Error("the answer is too large");
    }
    text += decoder.decode(value, { stream: true });
  }
  return text;
}

/** The error for an answer that is no 200. A 401 of a proxy is not the gate's: it asks for `Basic`. */
function refusal(response) {
  const challenge = response.headers.get("WWW-Authenticate") ?? "";
  if (challenge.startsWith("Bearer ") && response.status === 401) return new Refused(challenge);
  if (challenge.startsWith("Bearer ") && response.status === 403) return new Forbidden(challenge);
  const wait = response.headers.get("Retry-After") ?? "";
  const retryAfter = /^\d{1,8}$/.test(wait) ? Math.min(Number(wait), LONGEST_WAIT) : undefined;
  return new Unavailable(`the gate answers ${response.status}`, { retryAfter });
}

function verdictIn(response, body) {
  let given;
  try {
    given = JSON.parse(body);
  } catch {
    given = null;
  }
  const { sid, app, level, role, expires_at: expires, checked = true } = given?.extra ?? {};
  const expiresAt = new Date(typeof expires === "string" ? expires : NaN);
  const isGates =
    response.headers.get("Content-Type")?.startsWith("application/json") &&
    matches(ID, given?.subject) && matches(ID, app) && matches(UUID, sid) &&
    (level === "user" || level === "app") && (role === null || typeof role === "string") && !Number.isNaN(expiresAt.getTime());
  if (!isGates) throw new Unavailable("the answer is not the gate's");
  const userId = level === "user" ? given.subject : null;
  return Object.freeze({ userId, sessionId: sid, appId: app, level, role, expiresAt, isChecked: checked === true });
}

function matches(pattern, value) {
  return typeof value === "string" && pattern.test(value);
}
