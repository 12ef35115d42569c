import { useId, useState } from "preact/hooks";
import { Button, Dialog, Field } from "../design/components.tsx";
import { isRange, type YMode, type YRange } from "./y-range.ts";

interface YControlProps {
  label: string;
  /** The visible part of the label. */
  caption: string;
  symbol: string;
  mode: YMode;
  range: YRange;
  onChoose: (mode: YMode) => void;
}

const KINDS: readonly { kind: YMode["kind"]; text: string }[] = [
  { kind: "auto", text: "Automatic" },
  { kind: "all", text: "All values" },
  { kind: "robust", text: "Robust" },
  { kind: "log", text: "Logarithmic" },
  { kind: "fixed", text: "Fixed …" },
];

/** Chooses which values an axis spans. */
export function YControl({ label, caption, symbol, mode, range, onChoose }: YControlProps) {
  const [isTyping, setTyping] = useState(false);
  const id = useId();
  return (
    <>
      <span class="setting">
        <label class="soft" for={id}>
          {caption}
        </label>
        <select
          id={id}
          aria-label={label}
          class="input input-small"
          value={mode.kind}
          title="Which values the y axis spans"
          onChange={(event) => {
            const kind = event.currentTarget.value as YMode["kind"];
            if (kind === "fixed") {
              event.currentTarget.value = mode.kind;
              setTyping(true);
            } else {
              onChoose({ kind });
            }
          }}
        >
          {KINDS.map(({ kind, text }) => (
            <option key={kind} value={kind}>
              {kind === "fixed" && mode.kind === "fixed" ? `${mode.min} to ${mode.max} ${symbol}` : text}
            </option>
          ))}
        </select>
      </span>
      {mode.kind === "fixed" && (
        <Button small onClick={() => setTyping(true)}>
          Change …
        </Button>
      )}
      {isTyping && (
        <FixedRange
          title={label}
          symbol={symbol}
          min={mode.kind === "fixed" ? mode.min : Number(range.min.toPrecision(4))}
          max={mode.kind === "fixed" ? mode.max : Number(range.max.toPrecision(4))}
          onClose={() => setTyping(false)}
          onChoose={(chosen) => {
            setTyping(false);
            onChoose(chosen);
          }}
        />
      )}
    </>
  );
}

interface FixedRangeProps {
  title: string;
  symbol: string;
  min: number;
  max: number;
  onClose: () => void;
  onChoose: (mode: YMode) => void;
}

function FixedRange({ title, symbol, min, max, onClose, onChoose }: FixedRangeProps) {
  const [texts, setTexts] = useState({ min: String(min), max: String(max) });
  const [errors, setErrors] = useState<{ min?: string; max?: string }>({});
  const read = (text: string) =>
    text.trim() === "" ? Number.NaN : Number(text.replace(",", ".").replace("−", "-"));
  const choose = () => {
    const [low, high] = [read(texts.min), read(texts.max)];
    const wrong = (value: number) =>
      Number.isFinite(value) ? undefined : "Not a number, such as 0.5 or 1e-6.";
    const [ofMin, ofMax] = [wrong(low), wrong(high)];
    if (isRange(low, high)) {
      onChoose({ kind: "fixed", min: low, max: high });
    } else {
      setErrors({
        ...(ofMin && { min: ofMin }),
        max: ofMax ?? (ofMin ? "" : "The maximum must be greater than the minimum."),
      });
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        class="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          choose();
        }}
      >
        <Field
          label={`Minimum (${symbol})`}
          value={texts.min}
          error={errors.min}
          inputMode="decimal"
          autocomplete="off"
          onInput={(event) => setTexts({ ...texts, min: event.currentTarget.value })}
        />
        <Field
          label={`Maximum (${symbol})`}
          value={texts.max}
          error={errors.max}
          inputMode="decimal"
          autocomplete="off"
          onInput={(event) => setTexts({ ...texts, max: event.currentTarget.value })}
        />
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit">
            Show
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
