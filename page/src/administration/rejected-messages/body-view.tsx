import { useState } from "preact/hooks";
import type { RejectedMessage } from "../../api/shapes.ts";
import { Button } from "../../design/components.tsx";
import { bytesText } from "../bytes.ts";
import { bytesOf } from "./body.ts";
import { visible } from "./visible.ts";

/** How much of a body is shown: a browser takes seconds to lay out megabytes. */
const SHOWN = 20_000;

/** The published body: as text, or in base64 if it is not text; downloadable byte for byte. */
export function BodyView({ message }: { message: RejectedMessage }) {
  const [isIndented, setIndented] = useState(false);
  const { body = "", body_encoding, size } = message;
  const isText = body_encoding !== "base64";
  const indented = isText && body.length <= SHOWN ? indentedJson(body) : null;
  const text = isIndented && indented !== null ? indented : body;
  return (
    <section class="card stack" aria-labelledby="body-head">
      <div class="row row-between">
        <h2 id="body-head">Body</h2>
        <div class="row">
          {indented !== null && indented !== body && (
            <Button small aria-pressed={isIndented} onClick={() => setIndented(!isIndented)}>
              Indented
            </Button>
          )}
          <Button small onClick={() => save(message)}>
            Download
          </Button>
        </div>
      </div>
      {!isText && <p class="soft">The body is not UTF-8 text and is shown in base64.</p>}
      {size === 0 ? (
        <p class="soft">It is empty.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users scroll it
        <section class="body" tabIndex={0} aria-label="Body of the message">
          <pre class="code-block">{visible(text.slice(0, SHOWN))}</pre>
        </section>
      )}
      {text.length > SHOWN && (
        <p class="soft">
          This is its beginning. It has {bytesText(size)} in all; download it to see the rest.
        </p>
      )}
    </section>
  );
}

/**
 * The same JSON, indented; `null` if it is not JSON, or has numbers that a double cannot hold: they
 * would change.
 */
function indentedJson(body: string): string | null {
  try {
    const value: unknown = JSON.parse(body);
    return JSON.stringify(value) === body.replace(OUTSIDE_STRINGS, "$1")
      ? JSON.stringify(value, null, 2)
      : null;
  } catch {
    return null;
  }
}

/** Strings, to be kept, and the white space between them. */
const OUTSIDE_STRINGS = /("(?:[^"\\]|\\.)*")|\s+/g;

/** Has the browser keep the bytes as a file. */
function save(message: RejectedMessage): void {
  const address = URL.createObjectURL(new Blob([bytesOf(message)], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `rejected-message-${message.id}`;
  link.click();
  URL.revokeObjectURL(address);
}
