import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Notice } from "../design/components.tsx";

interface ResultNoticeProps {
  look?: "good" | "warning";
  children: ComponentChildren;
}

/**
 * The result of an action. It takes the focus, because the element that had it may be removed, such
 * as the button of a deleted row; screen readers then read it. Needs a new `key` for each action.
 */
export function ResultNotice({ look = "good", children }: ResultNoticeProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.focus(), []);
  return (
    <div ref={place} tabIndex={-1} class="done">
      <Notice look={look}>{children}</Notice>
    </div>
  );
}
