import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { hush } from "../design/announce.ts";
import { showBeginning } from "../routing/scroll-positions.ts";

interface ViewProps {
  title: string;
  /** Shown under the title. */
  lead?: ComponentChildren;
  /** Shown beside it: buttons. */
  actions?: ComponentChildren;
  width?: "narrow" | "reading" | "wide";
  children: ComponentChildren;
}

/** A title of more characters is no headline any more. */
const LONG = 80;

let isFirst = true;

/** The head of every view: its title, also of the tab, which gets the focus when it opens. */
export function View({ title, lead, actions, width = "wide", children }: ViewProps) {
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · MyMONIT`;
  }, [title]);
  // Before the restored place takes the focus after a return.
  useLayoutEffect(() => {
    hush();
    // A page that has just been loaded is read from its beginning.
    if (!isFirst) {
      head.current?.focus({ preventScroll: true });
      showBeginning();
    }
    isFirst = false;
  }, []);
  return (
    <main id="content" class={`content content-${width} stack stack-large`} tabIndex={-1}>
      <div class="view-head">
        <div class="stack stack-small">
          <h1 ref={head} tabIndex={-1} class={title.length > LONG ? "long" : undefined}>
            {title}
          </h1>
          {lead && <div class="soft">{lead}</div>}
        </div>
        {actions && <div class="row">{actions}</div>}
      </div>
      {children}
    </main>
  );
}
