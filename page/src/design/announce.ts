import { signal } from "@preact/signals";

/** What screen readers are told next; the frame holds it in a live region. */
export const announcement = signal("");

let timer: ReturnType<typeof setTimeout> | undefined;

/** Tells people who do not see the change that something has happened. */
export function announce(text: string): void {
  hush();
  // So that the same words, said twice, are heard twice.
  timer = setTimeout(() => {
    announcement.value = text;
  }, 50);
}

/** Takes back what was said of a view that is left: whoever comes next is not to find it in the page. */
export function hush(): void {
  clearTimeout(timer);
  announcement.value = "";
}
