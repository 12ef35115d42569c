import type {
  ButtonHTMLAttributes,
  ComponentChildren,
  InputHTMLAttributes,
  SelectHTMLAttributes,
  TextareaHTMLAttributes,
} from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Problem } from "../api/problem.ts";
import { announce } from "./announce.ts";
import type { Loaded } from "./load.ts";

/** Components of all views, with the page's style and attributes for assistive technology. */

type ButtonLook = "plain" | "primary" | "danger" | "danger-primary" | "quiet";

interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, "size"> {
  look?: ButtonLook;
  small?: boolean;
  /** While something is being done: cannot be pressed, and keeps the focus. */
  busy?: boolean;
}

export function Button({ look = "plain", small, busy, children, type, onClick, ...rest }: ButtonProps) {
  const classes = ["button", look !== "plain" && `button-${look}`, small && "button-small"];
  return (
    <button
      {...rest}
      type={type ?? "button"}
      class={classes.filter(Boolean).join(" ")}
      aria-disabled={busy ? true : undefined}
      onClick={(event) => {
        if (busy) {
          event.preventDefault();
        } else {
          onClick?.(event);
        }
      }}
    >
      {busy && <span class="spinner" aria-hidden="true" />}
      {children}
    </button>
  );
}

interface LabelledProps {
  label: string;
  hint?: ComponentChildren;
  /** What is wrong with what was typed or chosen. */
  error?: string | undefined;
}

/** What ties a control to its label, its hint and its error. */
interface Ties {
  id: string;
  "aria-invalid": true | undefined;
  "aria-describedby": string | undefined;
}

/** A control with its label, a hint, and what is wrong with it. */
function Labelled({
  label,
  hint,
  error,
  children,
}: LabelledProps & { children: (ties: Ties) => ComponentChildren }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {hint && (
        <span class="field-hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
      {children({
        id,
        "aria-invalid": error ? true : undefined,
        "aria-describedby": described || undefined,
      })}
      {error && (
        <span class="field-error" id={`${id}-error`}>
          {error}
        </span>
      )}
    </div>
  );
}

type FieldProps = LabelledProps & InputHTMLAttributes<HTMLInputElement> & { mono?: boolean };

/** A line of text to be typed. */
export function Field({ label, hint, error, mono, ...input }: FieldProps) {
  return (
    <Labelled label={label} hint={hint} error={error}>
      {(ties) => <input {...input} {...ties} class={mono ? "input input-mono" : "input"} />}
    </Labelled>
  );
}

type TextAreaProps = LabelledProps & TextareaHTMLAttributes<HTMLTextAreaElement>;

/** Several lines of text to be typed. */
export function TextArea({ label, hint, error, ...area }: TextAreaProps) {
  return (
    <Labelled label={label} hint={hint} error={error}>
      {(ties) => <textarea rows={4} {...area} {...ties} class="input" />}
    </Labelled>
  );
}

type ChoiceProps = LabelledProps &
  SelectHTMLAttributes<HTMLSelectElement> & { choices: readonly { value: string; text: string }[] };

/** One of a few things to be chosen. */
export function Choice({ label, hint, error, choices, ...select }: ChoiceProps) {
  return (
    <Labelled label={label} hint={hint} error={error}>
      {(ties) => (
        <select {...select} {...ties} class="input">
          {choices.map(({ value, text }) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  );
}

type NoticeLook = "plain" | "danger" | "warning" | "good";

export function Notice({ look = "plain", children }: { look?: NoticeLook; children: ComponentChildren }) {
  return (
    <div
      class={look === "plain" ? "notice" : `notice notice-${look}`}
      role={look === "danger" ? "alert" : undefined}
    >
      {children}
    </div>
  );
}

/** Why something could not be shown or done, and what can be done about it. */
export function ProblemNotice({ problem, retry }: { problem: Problem; retry?: (() => void) | undefined }) {
  return (
    <Notice look="danger">
      <p>
        <strong>{heading(problem)}</strong> <Wording text={sentence(problem.detail)} /> {advice(problem)}
      </p>
      {problem.requestId && problem.status >= 500 && (
        <p class="soft">
          Request <code>{problem.requestId}</code>
        </p>
      )}
      {retry && (
        <Button small onClick={retry}>
          Try again
        </Button>
      )}
    </Notice>
  );
}

function heading({ code, status }: Problem): string {
  switch (code) {
    case "unreachable":
      return "No connection.";
    case "invalid_argument":
      return "This is not accepted.";
    case "unauthenticated":
      return "You are not signed in.";
    case "forbidden":
      return "You may not do this.";
    case "not_found":
      return "Not found.";
    case "conflict":
      return "This conflicts with existing data.";
    case "too_many_requests":
      return "Too many requests.";
    case "unavailable":
      return "MyMONIT is unavailable for now.";
    default:
      return status >= 500 ? "Something went wrong in MyMONIT." : "This did not work.";
  }
}

function advice({ code, status }: Problem): string {
  if (code === "unreachable") {
    return "Check your network connection.";
  }
  if (code === "too_many_requests" || code === "unavailable") {
    return "Wait a moment and try again.";
  }
  return status >= 500 ? "If it goes on, tell your administrator, with the id of the request." : "";
}

/** A sentence of the service, with what it names set apart. */
export function Wording({ text }: { text: string }) {
  // Every other part was between backquotes; one that is never closed is a character like any
  // other.
  const parts = text.split("`");
  if (parts.length % 2 === 0) {
    return <>{text}</>;
  }
  return <>{parts.map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}</>;
}

/** The service's detail as a sentence; a name in backquotes keeps its spelling. */
export function sentence(detail: string): string {
  const text = detail.trim();
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/**
 * The error of one field of a form, if the problem concerns that field. The service names the field
 * in backquotes at the beginning.
 */
export function fieldError(problem: Problem | null, field: string): string | undefined {
  const start = `\`${field}\` `;
  const isOfField = problem?.code === "invalid_argument" || problem?.code === "conflict";
  if (!isOfField || !problem.detail.startsWith(start)) {
    return undefined;
  }
  return sentence(problem.detail.slice(start.length));
}

export function Loading({ what }: { what: string }) {
  return (
    <div class="loading" role="status">
      <span class="spinner" aria-hidden="true" />
      <span>Loading {what} …</span>
    </div>
  );
}

/** In place of what is being loaded, or could not be loaded. */
export function LoadState({
  loaded,
  what,
}: {
  loaded: Loaded<unknown> & { reload: () => void };
  what: string;
}) {
  if (loaded.state === "failed") {
    return <ProblemNotice problem={loaded.problem} retry={loaded.reload} />;
  }
  return loaded.value === undefined ? <Loading what={what} /> : null;
}

interface EmptyProps {
  title: string;
  children: ComponentChildren;
}

/** Shown in place of an empty list, with what to do about it. */
export function Empty({ title, children }: EmptyProps) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

interface DialogProps {
  title: ComponentChildren;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}

/** A modal dialog; Escape closes it, and the focus returns to its previous element. */
export function Dialog({ title, onClose, children, wide }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) {
        before.focus();
      }
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? "dialog dialog-wide" : "dialog"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div class="dialog-body">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: ComponentChildren;
  children: ComponentChildren;
  /** The label of the button. */
  action: string;
  busy: boolean;
  problem: Problem | null;
  onConfirm: () => void;
  onClose: () => void;
  /** What has to be typed first, for what cannot be undone. */
  typed?: string;
}

/** Asks before something is done that cannot be undone. */
export function Confirm({ title, children, action, busy, problem, onConfirm, onClose, typed }: ConfirmProps) {
  const [text, setText] = useState("");
  const [tried, setTried] = useState(false);
  const isConfirmed = typed === undefined || text.trim() === typed;
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        class="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (isConfirmed) {
            onConfirm();
          }
        }}
      >
        {children}
        {typed !== undefined && (
          <Field
            label={`Type ${typed} to confirm`}
            value={text}
            autocomplete="off"
            spellcheck={false}
            error={tried && !isConfirmed ? `This is not ${typed}.` : undefined}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        )}
        {problem && <ProblemNotice problem={problem} />}
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="danger-primary" type="submit" busy={busy}>
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

export interface Column<Row> {
  head: string;
  cell: (row: Row) => ComponentChildren;
  /** `text` is as long as people like, and broken where it has to be. */
  kind?: "text" | "number" | "actions";
  /** The cell that names its row. */
  names?: boolean;
}

interface TableProps<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string | number;
  /** On a narrow screen, each row becomes a card with a line for each cell. */
  stacks?: boolean;
}

export function Table<Row>({ caption, columns, rows, rowKey, stacks }: TableProps<Row>) {
  // Said in full: a table that is laid out as cards is no table to browsers any more.
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users scroll wide tables
    <section class="table-scroll" tabIndex={0} aria-label={caption}>
      {/* biome-ignore-start lint/a11y/noRedundantRoles: see above */}
      <table class={stacks ? "table table-stacks" : "table"} role="table">
        <caption class="visually-hidden">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ head, kind }) => (
              <th key={head} scope="col" role="columnheader" class={kind && `cell-${kind}`}>
                {kind === "actions" ? <span class="visually-hidden">{head}</span> : head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={rowKey(row)} role="row">
              {columns.map(({ head, cell, kind, names }) =>
                names ? (
                  <th key={head} scope="row" role="rowheader" data-head={head} class={kind && `cell-${kind}`}>
                    {cell(row)}
                  </th>
                ) : (
                  <td key={head} role="cell" data-head={head} class={kind && `cell-${kind}`}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {/* biome-ignore-end lint/a11y/noRedundantRoles: see above */}
    </section>
  );
}

/** Copies a text to the clipboard and announces that. */
export function CopyButton({ text, label, look }: { text: string; label: string; look?: ButtonLook }) {
  const [copied, setCopied] = useState<"yes" | "failed" | null>(null);
  useEffect(() => {
    const timer = copied && setTimeout(() => setCopied(null), 2_500);
    return () => clearTimeout(timer ?? undefined);
  }, [copied]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied("yes");
      announce("Copied.");
    } catch {
      // Browsers give the clipboard only to pages that came by HTTPS or from this machine.
      setCopied("failed");
      announce("The browser does not allow copying here. Select the text and copy it.");
    }
  };
  const shown = { yes: "Copied", failed: "Select the text and copy it" };
  return (
    <Button small look={look ?? "plain"} onClick={copy}>
      {copied ? shown[copied] : label}
    </Button>
  );
}
