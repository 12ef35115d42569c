import { useState } from "preact/hooks";
import { request } from "../api/client.ts";
import { Button, Dialog, ProblemNotice } from "../design/components.tsx";
import { counted } from "../design/counted.ts";
import { useDoing } from "../design/load.ts";
import { type Format, measuresPath, type Reading } from "./reading.ts";
import { parseWindow, readableLength, readableTime } from "./time.ts";

interface DownloadProps {
  experimentId: number;
  reading: Reading;
  onClose: () => void;
}

/** Gives what is shown as a file, or all measures behind it. */
export function Download({ experimentId, reading, onClose }: DownloadProps) {
  const [format, setFormat] = useState<Format>("csv");
  const [isReduced, setReduced] = useState(reading.window !== null);
  const { busy, problem, run } = useDoing();
  const save = async () => {
    const { from, to, types } = reading;
    const window = isReduced ? reading.window : null;
    const answer = await request(measuresPath(experimentId, { from, to, types, window, format }), {
      accept: format === "csv" ? "text/csv" : "application/x-ndjson",
    });
    keep(await answer.blob(), `measures-${experimentId}.${format}`);
    onClose();
  };
  const width = reading.window && parseWindow(reading.window);
  return (
    <Dialog title="Download" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void run(save);
        }}
      >
        <p class="soft">
          From {readableTime(reading.from)} to {readableTime(reading.last)} (UTC)
          {reading.types.length > 0 && `: ${reading.types.join(", ")}`}.
        </p>
        {width && (
          <fieldset class="choices">
            <legend>What</legend>
            <label>
              <input type="radio" name="what" checked={isReduced} onChange={() => setReduced(true)} />
              What is shown: bins of {readableLength(width)} with count, min, max, mean and standard deviation
            </label>
            <label>
              <input type="radio" name="what" checked={!isReduced} onChange={() => setReduced(false)} />
              All {counted(reading.count)} measures behind it
            </label>
          </fieldset>
        )}
        <fieldset class="choices">
          <legend>Format</legend>
          <label>
            <input type="radio" name="format" checked={format === "csv"} onChange={() => setFormat("csv")} />
            CSV, for spreadsheets, pandas and R
          </label>
          <label>
            <input
              type="radio"
              name="format"
              checked={format === "ndjson"}
              onChange={() => setFormat("ndjson")}
            />
            NDJSON, a JSON object a line
          </label>
        </fieldset>
        {problem && <ProblemNotice problem={problem} />}
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" busy={busy}>
            Download
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function keep(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The browser has to have begun.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
