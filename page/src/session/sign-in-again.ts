import { signal } from "@preact/signals";
import type { Credentials } from "./credentials.ts";

/** A request for the password, which the page shows. */
export interface PasswordRequest {
  credentials: Credentials;
  /** Ends it: whether the user has signed in again. */
  end(hasSignedIn: boolean): void;
}

export const passwordRequest = signal<PasswordRequest | null>(null);

let pending: Promise<boolean> | null = null;

/** Requires the user to sign in again. Concurrent requests share one sign-in. */
export function signInAgain(credentials: Credentials): Promise<boolean> {
  pending ??= askForSignIn(credentials).finally(() => {
    pending = null;
    passwordRequest.value = null;
  });
  return pending;
}

async function askForSignIn(credentials: Credentials): Promise<boolean> {
  if (!credentials.needsPassword) {
    await credentials.reauthenticate("");
    return true;
  }
  return new Promise((resolve) => {
    passwordRequest.value = { credentials, end: resolve };
  });
}
