import { signal } from "@preact/signals";

/** What screen readers are told next; the frame holds it in a live region. */
export const announcement = signal("");

/** Tells people who do not see the change that something has happened. */
export function announce(text: string): void {
  announcement.value = "";
  // So that the same words, said twice, are heard twice.
  setTimeout(() => {
    announcement.value = text;
  }, 50);
}
