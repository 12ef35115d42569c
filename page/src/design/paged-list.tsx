import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { rowsShown, showRows } from "../routing/scroll-positions.ts";
import { Button } from "./components.tsx";
import { formatCount } from "./format-count.ts";

/** Rows shown at first, and added by each click: sites have thousands of users and experiments. */
const PAGE_SIZE = 100;

interface PagedListProps<Row> {
  rows: readonly Row[];
  /** Draws those that are shown. */
  children: (shown: readonly Row[]) => ComponentChildren;
}

/** The first rows of a long list, and more on a click; Back restores the number of rows. */
export function PagedList<Row>({ rows, children }: PagedListProps<Row>) {
  const [shown, setShown] = useState(() => rowsShown() ?? PAGE_SIZE);
  const list = useRef<HTMLDivElement>(null);
  const first = useRef<number | null>(null);
  const showMore = () => {
    first.current = shown;
    setShown(shown + PAGE_SIZE);
    showRows(shown + PAGE_SIZE);
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
          <Button onClick={showMore}>
            Show {formatCount(Math.min(PAGE_SIZE, rows.length - shown))} more
          </Button>
          <span class="soft number" role="status">
            {formatCount(shown)} of {formatCount(rows.length)} are shown.
          </span>
        </div>
      )}
    </div>
  );
}
