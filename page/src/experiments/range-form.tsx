import { useEffect, useRef, useState } from "preact/hooks";
import { Button, Field } from "../design/components.tsx";
import { type Nanos, parseTime, readableTime } from "./time.ts";
import { fixed, type Range } from "./view-state.ts";

interface RangeFormProps {
  from: Nanos | null;
  to: Nanos | null;
  onChoose: (range: Range) => void;
  onCancel: () => void;
}

/** Any range, typed: `2022-04-06 07:00`, or to the nanosecond, or with an offset. */
export function RangeForm({ from, to, onChoose, onCancel }: RangeFormProps) {
  const [texts, setTexts] = useState({
    from: from === null ? "" : readableTime(from),
    to: to === null ? "" : readableTime(to),
  });
  const [errors, setErrors] = useState<{ from?: string; to?: string }>({});
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    const element = form.current;
    element?.querySelector("input")?.focus();
    return () => {
      // What had the focus is gone, or about to go.
      const { activeElement } = document;
      const isLost = activeElement === document.body || element?.contains(activeElement);
      if (isLost && before instanceof HTMLElement) {
        before.focus();
      }
    };
  }, []);
  useEffect(() => form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus(), [errors]);
  const choose = () => {
    const [begin, end] = [readTyped(texts.from), readTyped(texts.to)];
    const wrong = "This is no time from 1970 to 2262, such as 2022-04-06 07:00.";
    if (begin === null || end === null) {
      setErrors({ ...(begin === null && { from: wrong }), ...(end === null && { to: wrong }) });
    } else if (end <= begin) {
      setErrors({ to: "The end has to come after the beginning." });
    } else {
      onChoose(fixed(begin, end));
    }
  };
  return (
    <form
      ref={form}
      class="card range-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        choose();
      }}
    >
      <Field
        label="From (UTC)"
        value={texts.from}
        error={errors.from}
        spellcheck={false}
        autocomplete="off"
        mono
        onInput={(event) => setTexts({ ...texts, from: event.currentTarget.value })}
      />
      <Field
        label="Until (UTC)"
        value={texts.to}
        error={errors.to}
        spellcheck={false}
        autocomplete="off"
        mono
        onInput={(event) => setTexts({ ...texts, to: event.currentTarget.value })}
      />
      <div class="row">
        <Button look="primary" type="submit">
          Show
        </Button>
        <Button onClick={onCancel}>Cancel</Button>
      </div>
    </form>
  );
}

/** What people write of a time: without seconds, without the time of day, with a space, without the zone. */
export function readTyped(text: string): Nanos | null {
  const parts = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?)?\s*(Z|[+-]\d\d:\d\d)?$/i.exec(
    text.trim(),
  );
  if (!parts) {
    return null;
  }
  const [, day, time = "00:00", seconds = ":00", zone = "Z"] = parts;
  return parseTime(`${day}T${time}${seconds}${zone.toUpperCase()}`);
}
