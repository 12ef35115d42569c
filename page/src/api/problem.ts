/** Why a request failed: the service's problem document (RFC 9457), or one made by this client. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    /** The HTTP status; 0 where there was no answer at all. */
    readonly status: number,
    /** The stable code, or `unreachable`. */
    readonly code: string,
    /** What went wrong, for people. */
    readonly detail: string,
    /** By which the operator finds the request in the log. */
    readonly requestId: string | null = null,
  ) {
    super(detail);
  }

  /** What an answer that is no success says. */
  static async of(answer: Response): Promise<Problem> {
    const requestId = answer.headers.get("X-Request-Id");
    try {
      const { code, detail } = (await answer.json()) as { code: string; detail: string };
      if (typeof code === "string" && typeof detail === "string") {
        return new Problem(answer.status, code, detail, requestId);
      }
    } catch {
      // It came from something in between.
    }
    return new Problem(answer.status, "unknown", `the server answered ${answer.status}`, requestId);
  }

  /** Whether the resource does not exist or is forbidden for this user. */
  get isRefusal(): boolean {
    return this.status === 403 || this.status === 404;
  }

  /** Any failure as a problem. */
  static from(failure: unknown): Problem {
    if (failure instanceof Problem) {
      return failure;
    }
    // Browsers report no cause of a failed request.
    if (failure instanceof TypeError) {
      return new Problem(0, "unreachable", "the service cannot be reached");
    }
    return new Problem(0, "defect", failure instanceof Error ? failure.message : String(failure));
  }
}

/** Whether a request was aborted by the page itself. */
export function isAborted(failure: unknown): boolean {
  return failure instanceof DOMException && failure.name === "AbortError";
}
