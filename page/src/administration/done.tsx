import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Notice } from "../design/components.tsx";

interface DoneProps {
  look?: "good" | "warning";
  children: ComponentChildren;
}

/**
 * What has just been done. It takes the focus, since what had it may be gone, as the button in a row that was removed
 * is; screen readers read it out for that. To be given a `key` that changes with each deed.
 */
export function Done({ look = "good", children }: DoneProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.focus(), []);
  return (
    <div ref={place} tabIndex={-1} class="done">
      <Notice look={look}>{children}</Notice>
    </div>
  );
}
