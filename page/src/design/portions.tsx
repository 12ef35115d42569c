import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Button } from "./components.tsx";
import { counted } from "./counted.ts";

/** How many are shown at first, and how many more at a time: sites have thousands of users and experiments. */
const PORTION = 100;

interface PortionsProps<Row> {
  rows: readonly Row[];
  /** Draws those that are shown. */
  children: (shown: readonly Row[]) => ComponentChildren;
}

/** The beginning of a long list, with more of it at a click. */
export function Portions<Row>({ rows, children }: PortionsProps<Row>) {
  const [shown, setShown] = useState(PORTION);
  return (
    <>
      {children(rows.slice(0, shown))}
      {shown < rows.length && (
        <div class="row">
          <Button onClick={() => setShown(shown + PORTION)}>
            Show {counted(Math.min(PORTION, rows.length - shown))} more
          </Button>
          <span class="soft number" role="status">
            {counted(shown)} of {counted(rows.length)} are shown.
          </span>
        </div>
      )}
    </>
  );
}
