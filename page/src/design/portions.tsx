import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { rowsShown, showRows } from "../routing/places.ts";
import { Button } from "./components.tsx";
import { counted } from "./counted.ts";

/** Rows shown at first, and added by each click: sites have thousands of users and experiments. */
const PORTION = 100;

interface PortionsProps<Row> {
  rows: readonly Row[];
  /** Draws those that are shown. */
  children: (shown: readonly Row[]) => ComponentChildren;
}

/** The first rows of a long list, and more on a click; Back restores the number of rows. */
export function Portions<Row>({ rows, children }: PortionsProps<Row>) {
  const [shown, setShown] = useState(() => rowsShown() ?? PORTION);
  const list = useRef<HTMLDivElement>(null);
  const first = useRef<number | null>(null);
  const showMore = () => {
    first.current = shown;
    setShown(shown + PORTION);
    showRows(shown + PORTION);
  };
  useLayoutEffect(() => {
    if (first.current !== null) {
      // The button may be removed: the first of the new rows gets the focus.
      const row = list.current?.querySelectorAll("tbody tr, li")[first.current];
      row?.querySelector<HTMLElement>("a, button")?.focus({ preventScroll: true });
      first.current = null;
    }
  }, [shown]);
  return (
    <div ref={list} class="stack">
      {children(rows.slice(0, shown))}
      {shown < rows.length && (
        <div class="row">
          <Button onClick={showMore}>Show {counted(Math.min(PORTION, rows.length - shown))} more</Button>
          <span class="soft number" role="status">
            {counted(shown)} of {counted(rows.length)} are shown.
          </span>
        </div>
      )}
    </div>
  );
}
