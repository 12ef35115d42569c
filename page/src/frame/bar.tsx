import { Button } from "../design/components.tsx";
import { address, href } from "../routing/address.ts";
import { session, signOut } from "../session/session.ts";
import { chooseTheme, nextTheme, theme } from "./theme.ts";

interface Place {
  path: readonly string[];
  name: string;
  /** What is left out of sight on a phone. */
  further?: string;
}

const SCIENTIST: readonly Place[] = [
  { path: ["experiments"], name: "Experiments" },
  { path: ["token"], name: "Token" },
];
const ADMINISTRATOR: readonly Place[] = [
  { path: ["administration", "users"], name: "Users" },
  { path: ["administration", "experiments"], name: "Experiments" },
  { path: ["administration", "measure-types"], name: "Types" },
  { path: ["administration", "rejected-messages"], name: "Rejected", further: " messages" },
  { path: ["token"], name: "Token" },
];

/** The bar at the top: navigation and the signed-in user. */
export function Bar() {
  const now = session.value;
  const user = now.state === "signed-in" ? now.user : null;
  const places = user?.role === "ADMIN" ? ADMINISTRATOR : user ? SCIENTIST : [];
  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: it leads to a place, which the address cannot name beside the view */}
      <a
        class="skip-link"
        href="#content"
        onClick={(event) => {
          // The address belongs to the view.
          event.preventDefault();
          document.getElementById("content")?.focus();
        }}
      >
        Skip to the content
      </a>
      {"configuration" in now && now.configuration.sign_in === "evaluation" && (
        <aside class="banner" aria-label="Evaluation mode">
          <p>Evaluation mode: example data, and any client can impersonate any user. Not for production.</p>
        </aside>
      )}
      <header class="bar">
        <div class="bar-inside">
          <a class="brand" href="#/">
            <img src="/static/icon.svg" alt="" width="28" height="28" />
            MyMONIT
          </a>
          {places.length > 0 && (
            <nav class="navigation" aria-label="Main">
              {places.map(({ path, name, further }) => (
                <a key={name} href={href(path)} aria-current={isHere(path) ? "page" : undefined}>
                  {name}
                  {further && <span class="navigation-further">{further}</span>}
                </a>
              ))}
            </nav>
          )}
          <div class="bar-end">
            {user && (
              <a class="who" href={href(["account"])} aria-label={`${user.name}: your record`}>
                <svg width="20" height="20" viewBox="0 0 24 24" fill="currentColor" aria-hidden="true">
                  <path d={PERSON_ICON} />
                </svg>
                <span>{user.name}</span>
              </a>
            )}
            <ThemeButton />
            {(user || now.state === "unknown") && (
              <Button small look="quiet" onClick={() => void signOut()}>
                Sign out
              </Button>
            )}
          </div>
        </div>
      </header>
    </>
  );
}

function isHere(path: readonly string[]): boolean {
  const here = address.value.path;
  return path.every((part, index) => here[index] === part);
}

const PERSON_ICON =
  "M12 12a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Zm0 2c-4.4 0-8 2.7-8 6v1h16v-1c0-3.3-3.6-6-8-6Z";

const ICONS = {
  system: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Zm0 2v14a7 7 0 0 1 0-14Z",
  light:
    "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM11 2h2v3h-2zm0 17h2v3h-2zM2 11h3v2H2zm17 0h3v2h-3zM4.2 5.6l1.4-1.4 2.1 2.1-1.4 1.4zm12.1 12.1 1.4-1.4 2.1 2.1-1.4 1.4zM4.2 18.4l2.1-2.1 1.4 1.4-2.1 2.1zM16.3 6.3l2.1-2.1 1.4 1.4-2.1 2.1z",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5Z",
};

function ThemeButton() {
  const name = `Theme: ${theme.value}. Change to ${nextTheme()}`;
  return (
    <Button small look="quiet" aria-label={name} title={name} onClick={() => chooseTheme(nextTheme())}>
      <svg width="18" height="18" viewBox="0 0 24 24" fill="currentColor" aria-hidden="true">
        <path d={ICONS[theme.value]} />
      </svg>
    </Button>
  );
}
