import { useEffect, useRef, useState } from "preact/hooks";
import { Button, Field } from "../design/components.tsx";
import { DAY, HOUR, MINUTE, type Nanos, readableTime } from "./time.ts";
import { dayOrder, formatMoment, type Moment, readTyped, resolved } from "./typed-time.ts";
import { fixed, MIN_SPAN, type Range } from "./view-state.ts";
import { localZoneName, offsetOf, utcOf, type Zone, zone, zoneText } from "./zone.ts";

interface RangeFormProps {
  from: Moment | null;
  to: Moment | null;
  onChoose: (range: Range) => void;
  onCancel: () => void;
}

/** Lengths of time before now. */
const LAST: readonly { text: string; ago: Nanos }[] = [
  { text: "Last 5 min", ago: 5n * MINUTE },
  { text: "Last 15 min", ago: 15n * MINUTE },
  { text: "Last 1 h", ago: HOUR },
  { text: "Last 6 h", ago: 6n * HOUR },
  { text: "Last 24 h", ago: DAY },
  { text: "Last 7 d", ago: 7n * DAY },
  { text: "Last 30 d", ago: 30n * DAY },
];

export const nowNanos = (): Nanos => BigInt(Date.now()) * 1_000_000n;

/** Any range: typed, from a calendar, or relative to now. */
export function RangeForm({ from, to, onChoose, onCancel }: RangeFormProps) {
  const inZone = zone.value;
  const text = (moment: Moment | null) =>
    moment === null ? "" : "at" in moment ? readableTime(moment.at, inZone) : formatMoment(moment);
  const [texts, setTexts] = useState({ from: text(from), to: text(to) });
  const [errors, setErrors] = useState<{ from?: string; to?: string }>({});
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    const element = form.current;
    element?.querySelector("input")?.focus();
    return () => {
      // The element with the focus is removed, or will be.
      const { activeElement } = document;
      const isLost = activeElement === document.body || element?.contains(activeElement);
      if (isLost && before instanceof HTMLElement) {
        before.focus();
      }
    };
  }, []);
  useEffect(() => form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus(), [errors]);
  const read = (typed: string) => readTyped(typed, inZone, dayOrder(navigator.language));
  const choose = () => {
    const [begin, end] = [read(texts.from), read(texts.to)];
    const wrong = "Not a time from 1970 to 2262, such as 2022-04-06 07:00, 6.4.2022 or now-1h.";
    if (begin === null || end === null) {
      setErrors({ ...(begin === null && { from: wrong }), ...(end === null && { to: wrong }) });
      return;
    }
    const now = nowNanos();
    if (resolved(end, now) - resolved(begin, now) < MIN_SPAN) {
      setErrors({ to: "The end must be after the beginning." });
    } else {
      onChoose(rangeOf(begin, end));
    }
  };
  const field = (name: "from" | "to", label: string) => (
    <TimeField
      calendarName={name === "from" ? "beginning" : "end"}
      label={`${label} (${inZone === "utc" ? "UTC" : "local time"})`}
      text={texts[name]}
      meant={read(texts[name])}
      error={errors[name]}
      inZone={inZone}
      onType={(typed) => setTexts({ ...texts, [name]: typed })}
    />
  );
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
      {field("from", "From")}
      {field("to", "Until")}
      <div class="row">
        <Button look="primary" type="submit">
          Show
        </Button>
        <Button onClick={onCancel}>Cancel</Button>
      </div>
      <fieldset class="row range-presets">
        <legend class="visually-hidden">Relative to now</legend>
        {LAST.map(({ text, ago }) => (
          <Button
            key={text}
            small
            onClick={() => onChoose({ kind: "moving", from: { ago }, to: { ago: 0n } })}
          >
            {text}
          </Button>
        ))}
        {[
          { text: "Today", day: 0n },
          { text: "Yesterday", day: 1n },
        ].map(({ text, day }) => (
          <Button key={text} small onClick={() => onChoose(dayBefore(day, inZone))}>
            {text}
          </Button>
        ))}
      </fieldset>
      <p class="soft range-hint">
        A date, a time with or without offset, or relative to now: <code>2022-04-06 07:00</code>,{" "}
        <code>6.4.2022</code>, <code>2022-04-06T09:00+02:00</code>, <code>now-90m</code>.
        {inZone === "local" && ` Local time is ${localZoneName()}.`}
      </p>
    </form>
  );
}

function rangeOf(from: Moment, to: Moment): Range {
  return "at" in from && "at" in to ? fixed(from.at, to.at) : { kind: "moving", from, to };
}

/** Today, or some days ago, from midnight to midnight in the zone. */
function dayBefore(days: Nanos, inZone: Zone): Range {
  const now = Date.now();
  const wall = new Date(now + offsetOf(now, inZone));
  const midnight = (shift: number) =>
    BigInt(
      utcOf(
        Date.UTC(wall.getUTCFullYear(), wall.getUTCMonth(), wall.getUTCDate() - Number(days) + shift),
        inZone,
      ),
    ) * 1_000_000n;
  return fixed(midnight(0), midnight(1));
}

interface TimeFieldProps {
  label: string;
  calendarName: string;
  text: string;
  /** What the text is read as. */
  meant: Moment | null;
  error: string | undefined;
  inZone: Zone;
  onType: (text: string) => void;
}

/** A text field for a time, with the browser's calendar. */
export function TimeField({ label, calendarName, text, meant, error, inZone, onType }: TimeFieldProps) {
  const calendar = useRef<HTMLInputElement>(null);
  const at = meant && resolved(meant, nowNanos());
  return (
    <div class="time-field">
      <Field
        label={label}
        value={text}
        error={error}
        spellcheck={false}
        autocomplete="off"
        mono
        onInput={(event) => onType(event.currentTarget.value)}
      />
      <div class="row time-meant">
        <span class="soft number" role="status">
          {at === null ? "" : `= ${readableTime(at, inZone)} ${zoneText(Number(at / 1_000_000n), inZone)}`}
        </span>
        <span class="calendar">
          <input
            ref={calendar}
            type="datetime-local"
            step="1"
            tabIndex={-1}
            aria-hidden="true"
            min="1970-01-01T00:00"
            max="2262-04-11T23:47"
            onInput={(event) => {
              if (event.currentTarget.value) {
                onType(event.currentTarget.value.replace("T", " "));
              }
            }}
          />
          <Button
            small
            look="quiet"
            aria-label={`Calendar: ${calendarName}`}
            onClick={() => {
              const input = calendar.current;
              if (input) {
                input.value = at === null ? "" : readableTime(at, inZone).slice(0, 19).replace(" ", "T");
                input.showPicker();
              }
            }}
          >
            Calendar
          </Button>
        </span>
      </div>
    </div>
  );
}
