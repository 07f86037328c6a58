/** Whose token it is. It holds for one request: don't keep it. */
export interface Verdict {
  /** 24 hexadecimal digits; null with an app-level token. */
  readonly userId: string | null;
  /** A UUID, the claim `sid`. */
  readonly sessionId: string;
  readonly appId: string;
  readonly level: "user" | "app";
  readonly role: string | null;
  /** When the token expires. Its session can end before. */
  readonly expiresAt: Date;
  /** False if the token was only verified by its signature. Then a logged-out token passes. */
  readonly isChecked: boolean;
}

export interface GateOptions {
  /** The URL of the gate, such as `https://auth.example.org/verify`. */
  url: string | URL;
  /** Only tokens of this app pass, or of one of these: ids or names. */
  app?: string | readonly string[];
  /** Only users with this role id pass, or with one of these. */
  role?: string | readonly string[];
  /** "user", the default: no app-level tokens pass. null: they do. */
  level?: "user" | null;
  /** Milliseconds for the whole answer. 1000 by default. */
  timeoutMs?: number;
  /** Let tokens pass that the gate could not check, because its database is away. Logged-out ones are among them. */
  acceptUnchecked?: boolean;
}

export interface Gate {
  /** Ask about the header `Authorization` of a request. Rejects with Refused, Forbidden or Unavailable. */
  check(authorization: string | null | undefined): Promise<Verdict>;
}

/** Why a request does not pass. Answer it with `status` and `headers`, and do nothing else for it. */
export class NotPassed extends Error {
  readonly status: 401 | 403 | 503;
  readonly error: string;
  readonly headers: Readonly<Record<string, string>>;
  protected constructor();
}

/** 401: there is no token, or it is not live. */
export class Refused extends NotPassed {
  constructor(challenge?: string);
}

/** 403: the token is live, but of another app, level or role. */
export class Forbidden extends NotPassed {
  constructor(challenge?: string);
}

/** 503: nobody knows whether the token is live. `reason` says why, for your log and not for the client. */
export class Unavailable extends NotPassed {
  readonly reason: string;
  constructor(reason: string, options?: { retryAfter?: number; cause?: unknown });
}

/** Make a gate. Throws TypeError if an option is wrong or unknown. */
export function createGate(options: GateOptions): Gate;

interface IncomingRequest {
  headers: { authorization?: string | undefined };
  zapauth?: Verdict;
}

interface OutgoingResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body: string): unknown;
}

/** Middleware for Express, Connect and others. It needs a live token, and sets `request.zapauth`. */
export function expressMiddleware(
  gate: Gate,
  options?: { onUnavailable?: (error: Unavailable) => void },
): (request: IncomingRequest, response: OutgoingResponse, next: () => void) => Promise<void>;

/** Turn an error of `check` into a Response, for servers with `fetch(request)`. Throws any other error again. */
export function toResponse(error: unknown): Response;

declare global {
  namespace Express {
    interface Request {
      /** Set by `expressMiddleware`. */
      zapauth?: Verdict;
    }
  }
}
