import { Field } from "./components.tsx";
import { amount, formatCount } from "./format-count.ts";

interface FinderProps {
  /** What is found by what. */
  placeholder: string;
  text: string;
  onType: (text: string) => void;
  /** How many are found, of how many. */
  found: number;
  of: number;
  /** What one of them is called. */
  one: string;
  many?: string;
}

/** The search field above a long list. */
export function Finder({ placeholder, text, onType, found, of, one, many }: FinderProps) {
  return (
    <search class="filters">
      <Field
        label="Find"
        type="search"
        placeholder={placeholder}
        value={text}
        onInput={(event) => onType(event.currentTarget.value)}
      />
      <p class="soft number filters-count" role="status">
        {amount(found, one, many)} {found === of ? "in all" : `of ${formatCount(of)}`}
      </p>
    </search>
  );
}
