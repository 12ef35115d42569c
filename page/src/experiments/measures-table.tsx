import { useMemo, useState } from "preact/hooks";
import type { Bin, Measure } from "../api/shapes.ts";
import { Button, type Column, Table } from "../design/components.tsx";
import { formatCount } from "../design/format-count.ts";
import type { Shown } from "./plot.tsx";
import { isBin } from "./reading.ts";
import { Setting } from "./setting.tsx";
import { parseTime, readableTime } from "./time.ts";
import { type ColumnFormat, columnFormat } from "./value-axis.ts";
import { zone } from "./zone.ts";

/** Rows of a page of the table. */
const PAGE = 50;

/** The values of one of the series at a time as a table, to be opened. */
export function MeasuresTable({ shown }: { shown: readonly Shown[] }) {
  const [isOpen, setOpen] = useState(false);
  const [chosen, setChosen] = useState("");
  const one = shown.find(({ series }) => series.key === chosen) ?? shown[0];
  return (
    <details class="behind" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Table of these values</summary>
      {isOpen && one && (
        <div class="stack">
          {shown.length > 1 && (
            <Setting
              label="Series"
              value={one.series.key}
              choices={shown.map(({ series, label }) => [series.key, label] as const)}
              onChoose={setChosen}
            />
          )}
          <Pages key={`${one.series.key} ${one.series.points.length}`} {...one} />
        </div>
      )}
    </details>
  );
}

function Pages({ series, label: name, symbol }: Shown) {
  const [page, setPage] = useState(0);
  const { points } = series;
  const pages = Math.max(1, Math.ceil(points.length / PAGE));
  const shown = points.slice(page * PAGE, (page + 1) * PAGE);
  const columns = useMemo(() => columnsOf(points, symbol), [points, symbol, zone.value]);
  return (
    <div class="stack">
      <Table
        caption={`Values of ${name}, page ${page + 1} of ${pages}`}
        columns={columns}
        rows={shown}
        rowKey={(point) => `${point.timestamp} ${shown.indexOf(point)}`}
      />
      {pages > 1 && (
        <nav class="row" aria-label={`Pages of the table of ${name}`}>
          <Button small disabled={page === 0} onClick={() => setPage(page - 1)}>
            Earlier
          </Button>
          <span class="soft number" role="status">
            {formatCount(page * PAGE + 1)} to {formatCount(page * PAGE + shown.length)} of{" "}
            {formatCount(points.length)}
          </span>
          <Button small disabled={page === pages - 1} onClick={() => setPage(page + 1)}>
            Later
          </Button>
        </nav>
      )}
    </div>
  );
}

type Point = Measure | Bin;

function columnsOf(points: readonly Point[], symbol: string): Column<Point>[] {
  const inZone = zone.value;
  const text = ({ timestamp }: Point) => {
    const nanos = parseTime(timestamp);
    return nanos === null ? timestamp : readableTime(nanos, inZone);
  };
  const time = (head: string): Column<Point> => ({
    head: `${head} (${inZone === "utc" ? "UTC" : "local"})`,
    cell: text,
    names: true,
  });
  const number = (head: string, of: (bin: Bin) => number, { unit, text }: ColumnFormat): Column<Point> => ({
    head: unit ? `${head} (${unit})` : head,
    cell: (point) => text(of(point as Bin)),
    kind: "number",
  });
  const [first] = points;
  if (!first || !isBin(first)) {
    const format = columnFormat(
      points.map((point) => (isBin(point) ? point.mean : point.value)),
      symbol,
    );
    return [
      time("Time"),
      {
        ...number("Value", ({ mean }) => mean, format),
        cell: (point) => format.text((point as Measure).value),
      },
    ];
  }
  const bins = points.filter(isBin);
  // One format for all columns: a mean is compared with its minimum and maximum.
  const format = columnFormat(
    bins.flatMap(({ min, mean, max }) => [min, mean, max]),
    symbol,
  );
  const ofStd = columnFormat(
    bins.map(({ std }) => std),
    symbol,
  );
  return [
    time("From"),
    number("Count", ({ count }) => count, { unit: "", text: formatCount }),
    number("Min", ({ min }) => min, format),
    number("Mean", ({ mean }) => mean, format),
    number("Max", ({ max }) => max, format),
    number("Std", ({ std }) => std, ofStd),
  ];
}
