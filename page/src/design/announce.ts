import { signal } from "@preact/signals";

/** The next text for screen readers; the frame holds it in a live region. */
export const announcement = signal("");

let timer: ReturnType<typeof setTimeout> | undefined;

/** Announces a change to users of screen readers. */
export function announce(text: string): void {
  hush();
  // So that a repeated text is announced again.
  timer = setTimeout(() => {
    announcement.value = text;
  }, 50);
}

/** Removes the announcement of the previous view: the next user must not find it in the page. */
export function hush(): void {
  clearTimeout(timer);
  announcement.value = "";
}
