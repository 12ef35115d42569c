import type { User } from "../api/shapes.ts";

/** Whether each word of what was typed begins a word of what is known of the user. */
export function isMeant({ user_id, name, email, username }: User, typed: string): boolean {
  const words = wordsOf(`${user_id} ${name} ${email} ${username}`);
  return wordsOf(typed).every((wanted) => words.some((word) => word.startsWith(wanted)));
}

/** Without regard to case and accents, so that "zoe" finds Zoë. */
function wordsOf(text: string): string[] {
  return text
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .split(/[^\p{Letter}\p{Number}]+/u)
    .filter(Boolean);
}
