import { useId } from "preact/hooks";

interface SettingProps {
  label: string;
  value: string;
  choices: readonly (readonly [string, string])[];
  onChoose: (value: string) => void;
}

/** One of a few things to be chosen, in a line. */
export function Setting({ label, value, choices, onChoose }: SettingProps) {
  const id = useId();
  return (
    <span class="setting">
      <label class="soft" for={id}>
        {label}
      </label>
      <select
        id={id}
        class="input input-small"
        value={value}
        onChange={(event) => onChoose(event.currentTarget.value)}
      >
        {choices.map(([each, text]) => (
          <option key={each} value={each}>
            {text}
          </option>
        ))}
      </select>
    </span>
  );
}
