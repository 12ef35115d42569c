import { Button } from "../design/components.tsx";

interface ShowMoreProps {
  shown: number;
  of: number;
  portion: number;
  show: (count: number) => void;
}

/** Stands under a long list of which only the beginning is shown. */
export function ShowMore({ shown, of, portion, show }: ShowMoreProps) {
  if (shown >= of) {
    return null;
  }
  return (
    <div class="row">
      <Button onClick={() => show(shown + portion)}>Show {Math.min(portion, of - shown)} more</Button>
      <span class="soft number">
        {shown.toLocaleString("en")} of {of.toLocaleString("en")} are shown.
      </span>
    </div>
  );
}
