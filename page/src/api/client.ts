import { Problem } from "./problem.ts";

/** Where the token for requests comes from. */
export interface TokenSource {
  /** The token; a new one if `renew` is set, or if the last one is about to expire. */
  token(renew: boolean): Promise<string>;
  /** Has the user sign in again; whether that was done. */
  signInAgain(): Promise<boolean>;
  /** The service takes no token of this user any more. */
  refused(): void;
}

export interface RequestOptions {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: unknown;
  accept?: string;
  signal?: AbortSignal | undefined;
}

let source: TokenSource | null = null;

/** Sets the source of the tokens for requests; `null`: requests without a token. */
export function setTokenSource(tokens: TokenSource | null): void {
  source = tokens;
}

/**
 * Sends a request to the REST API with the user's token, which is renewed once if it is refused. A
 * request that requires a recent sign-in is repeated after one.
 *
 * @throws {Problem} for every answer that is not a success.
 */
export async function request(path: string, options: RequestOptions = {}): Promise<Response> {
  try {
    return await requestOnce(path, options);
  } catch (failure) {
    const isOld = failure instanceof Problem && failure.code === "reauthentication_required";
    if (isOld && (await source?.signInAgain())) {
      return checked(await attempt(path, options, true));
    }
    throw failure;
  }
}

async function requestOnce(path: string, options: RequestOptions): Promise<Response> {
  const answer = await attempt(path, options, false);
  if (answer.status !== 401) {
    return checked(answer);
  }
  const again = await attempt(path, options, true);
  if (again.status === 401) {
    source?.refused();
  }
  return checked(again);
}

async function attempt(path: string, options: RequestOptions, renew: boolean): Promise<Response> {
  const headers: Record<string, string> = { Accept: options.accept ?? "application/json" };
  if (source) {
    headers.Authorization = `Bearer ${await source.token(renew)}`;
  }
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  return fetch(path, {
    method: options.method ?? "GET",
    headers,
    body: options.body === undefined ? null : JSON.stringify(options.body),
    signal: options.signal ?? null,
    cache: "no-store",
    credentials: "omit",
  });
}

async function checked(answer: Response): Promise<Response> {
  if (!answer.ok) {
    throw await Problem.of(answer);
  }
  return answer;
}

/** A request whose answer is JSON. */
export async function requestJson<T>(path: string, options: RequestOptions = {}): Promise<T> {
  return (await (await request(path, options)).json()) as T;
}

/** A path of which the parts in `${}` are percent-encoded. */
export function path(texts: TemplateStringsArray, ...parts: (string | number)[]): string {
  return texts.reduce((whole, text, index) => whole + encodeURIComponent(String(parts[index - 1])) + text);
}
