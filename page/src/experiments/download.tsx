import { useState } from "preact/hooks";
import { request } from "../api/client.ts";
import type { Experiment } from "../api/shapes.ts";
import { Button, Dialog, ProblemNotice } from "../design/components.tsx";
import { formatCount } from "../design/format-count.ts";
import { useDoing } from "../design/load.ts";
import { nameText } from "./choice.ts";
import { fileName } from "./file-name.ts";
import { type Format, measuresPath, type Part, type Reading } from "./reading.ts";
import { safeCsv } from "./safe-csv.ts";
import { parseWindow, readableLength, readableTime } from "./time.ts";
import { zone, zoneText } from "./zone.ts";

interface DownloadProps {
  experiments: readonly Experiment[];
  reading: Reading;
  /** A picture of the plots. */
  picture: () => Promise<Blob>;
  onClose: () => void;
}

const FORMATS = {
  csv: "CSV for programs, exactly as the API gives it",
  "safe-csv": "CSV for spreadsheets: names that look like formulas are quoted",
  arrow: "Arrow, for pandas, Polars, R and Julia",
  ndjson: "NDJSON, one JSON object for each line",
  png: "PNG, a picture of the plots",
} as const;

type FileFormat = keyof typeof FORMATS;

/** More rows do not fit a sheet of Excel or LibreOffice. */
const SHEET_ROWS = 1_048_575;

/** Saves what is shown as a file, or all measures of the range. */
export function Download({ experiments, reading, picture, onClose }: DownloadProps) {
  const [format, setFormat] = useState<FileFormat>("csv");
  const window = reading.series.find((series) => series.window !== null)?.window ?? null;
  const [isReduced, setReduced] = useState(window !== null);
  const { busy, problem, run } = useDoing();
  const save = async () => {
    if (format === "png") {
      const names = experiments.map(({ name }) => name).join(" ");
      keep(await picture(), fileName(names, reading, window, "png"));
    } else {
      for (const part of reading.parts) {
        const experiment = experiments.find(({ experiment_id }) => experiment_id === part.experimentId);
        await saveMeasures(experiment?.name ?? "", part, reading, isReduced, format);
      }
    }
    onClose();
  };
  const width = window && parseWindow(window);
  const isTooLong = format === "safe-csv" && !isReduced && reading.count > SHEET_ROWS;
  const inZone = zone.value;
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
          From {readableTime(reading.from, inZone)} to {readableTime(reading.last, inZone)}{" "}
          {zoneText(Number(reading.from / 1_000_000n), inZone)}
          {": "}
          {seriesText(reading)}.{reading.parts.length > 1 && ` ${reading.parts.length} files.`}
        </p>
        {width && format !== "png" && (
          <fieldset class="choices">
            <legend>Content</legend>
            <label>
              <input type="radio" name="what" checked={isReduced} onChange={() => setReduced(true)} />
              What is shown: bins of {readableLength(width)} with count, min, max, mean and standard deviation
            </label>
            <label>
              <input type="radio" name="what" checked={!isReduced} onChange={() => setReduced(false)} />
              All {formatCount(reading.count)} measures
            </label>
          </fieldset>
        )}
        <fieldset class="choices">
          <legend>Format</legend>
          {Object.entries(FORMATS).map(([each, text]) => (
            <label key={each}>
              <input
                type="radio"
                name="format"
                checked={format === each}
                onChange={() => setFormat(each as FileFormat)}
              />
              {text}
            </label>
          ))}
        </fieldset>
        {isTooLong && (
          <p class="badge badge-warning">A sheet has room for {formatCount(SHEET_ROWS)} measures.</p>
        )}
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

/** More series are counted, not named. */
const NAMED = 4;

function seriesText({ series }: Reading): string {
  return series.length > NAMED
    ? `${series.length} series`
    : series.map((each) => nameText(each, true)).join("; ");
}

/** For each file format: the format of the API, its media type, and the file extension. */
const FILES: Record<Exclude<FileFormat, "png">, readonly [Format, string, string]> = {
  csv: ["csv", "text/csv", "csv"],
  "safe-csv": ["csv", "text/csv", "csv"],
  arrow: ["arrow", "application/vnd.apache.arrow.stream", "arrows"],
  ndjson: ["ndjson", "application/x-ndjson", "ndjson"],
};

async function saveMeasures(
  name: string,
  { experimentId, types, sensors, series }: Part,
  reading: Reading,
  isReduced: boolean,
  format: Exclude<FileFormat, "png">,
): Promise<void> {
  const window = isReduced ? (series.find((each) => each.window !== null)?.window ?? null) : null;
  const { from, to, flagged } = reading;
  const [wire, accept, extension] = FILES[format];
  const query = { from, to, types, sensors, window, format: wire, flagged };
  const answer = await request(measuresPath(experimentId, query), { accept });
  const content = format === "safe-csv" ? new Blob([safeCsv(await answer.text())]) : await answer.blob();
  keep(content, fileName(name, { ...reading, series }, window, extension));
}

function keep(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // Not at once: the browser starts the download later.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
