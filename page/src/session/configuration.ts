import { Problem } from "../api/problem.ts";
import type { Role } from "../api/shapes.ts";

export interface FirebaseConfiguration {
  sign_in: "firebase";
  project_id: string;
  /** `null` where the operator has not set it. */
  api_key: string | null;
  auth_domain: string;
  /** The origin of the Firebase Auth emulator, where that is used. */
  emulator: string | null;
}

export interface EvaluationUser {
  user_id: string;
  name: string;
  role: Role;
}

export interface EvaluationConfiguration {
  sign_in: "evaluation";
  users: EvaluationUser[];
}

/** How people sign in at this service, by its own account. */
export type Configuration = FirebaseConfiguration | EvaluationConfiguration;

export async function askConfiguration(): Promise<Configuration> {
  const answer = await fetch("/static/configuration.json", { cache: "no-store", credentials: "omit" });
  if (!answer.ok) {
    throw await Problem.of(answer);
  }
  return (await answer.json()) as Configuration;
}
