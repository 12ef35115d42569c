import { Problem } from "../api/problem.ts";

/** What Firebase's error codes mean for signing in, and what to do. */
const SENTENCES: Record<string, string> = {
  "auth/invalid-credential":
    "E-mail address and password do not match. Check both, or register if you have not yet.",
  "auth/wrong-password":
    "E-mail address and password do not match. Check both, or register if you have not yet.",
  "auth/user-not-found":
    "E-mail address and password do not match. Check both, or register if you have not yet.",
  "auth/invalid-email": "Not an e-mail address, such as name@example.org.",
  "auth/missing-email": "Type your e-mail address first.",
  "auth/missing-password": "Type a password.",
  "auth/weak-password": "This password is too weak. Take at least six characters, better a few words.",
  "auth/password-does-not-meet-requirements":
    "This password is weaker than your organisation allows. Take a longer one.",
  "auth/email-already-in-use": "This e-mail address is registered already. Sign in instead.",
  "auth/user-disabled": "This account has been disabled. Ask your administrator.",
  "auth/too-many-requests": "Too many attempts. Wait a few minutes, or set a new password.",
  "auth/network-request-failed": "Firebase cannot be reached. Check your network connection and try again.",
  "auth/operation-not-allowed":
    "Signing in by e-mail and password is not enabled in the Firebase project. Tell the operator of this MyMONIT.",
  "auth/admin-restricted-operation":
    "Only administrators add accounts to this Firebase project. Ask them for one.",
  "auth/invalid-api-key": "The service gives a wrong FIREBASE_API_KEY. Tell the operator of this MyMONIT.",
  "auth/api-key-not-valid.-please-pass-a-valid-api-key.":
    "The service gives a wrong FIREBASE_API_KEY. Tell the operator of this MyMONIT.",
};

/** A problem that says in a sentence why Firebase refused. */
export function firebaseProblem(failure: unknown): Problem {
  const code = (failure as { code?: unknown } | null)?.code;
  if (typeof code !== "string") {
    return Problem.from(failure);
  }
  return new Problem(
    0,
    code,
    SENTENCES[code] ?? `Firebase refuses this (${code}). Tell the operator of this MyMONIT.`,
  );
}

/** Waits for Firebase. */
export async function inWords<T>(attempt: Promise<T>): Promise<T> {
  try {
    return await attempt;
  } catch (failure) {
    throw firebaseProblem(failure);
  }
}
