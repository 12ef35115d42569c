import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const STORAGE_KEY = "mymonit.theme";

function kept(): Theme {
  try {
    const theme = localStorage.getItem(STORAGE_KEY);
    return theme === "light" || theme === "dark" ? theme : "system";
  } catch {
    return "system";
  }
}

/** The theme that was chosen; `public/theme.js` puts it in force before anything is drawn. */
export const theme = signal<Theme>(kept());

const order: readonly Theme[] = ["system", "light", "dark"];

export function nextTheme(): Theme {
  return order[(order.indexOf(theme.value) + 1) % order.length] ?? "system";
}

export function chooseTheme(chosen: Theme): void {
  if (chosen === "system") {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = chosen;
  }
  // Listeners of this signal find the new colours.
  theme.value = chosen;
  try {
    localStorage.setItem(STORAGE_KEY, chosen);
  } catch {
    // Then it holds until the page is left.
  }
}

/** What the colours follow besides the theme that was chosen: the system's, and paper. */
const MEDIA = ["(prefers-color-scheme: dark)", "print"];

/** Calls back when the colours may have changed: plots are canvases and must be repainted. */
export function onColoursChanged(tell: () => void): () => void {
  const media = MEDIA.map((each) => matchMedia(each));
  for (const each of media) {
    each.addEventListener("change", tell);
  }
  const stop = theme.subscribe(() => tell());
  return () => {
    for (const each of media) {
      each.removeEventListener("change", tell);
    }
    stop();
  };
}
