import { useState } from "preact/hooks";
import type { Bin, Measure } from "../api/shapes.ts";
import { Button, type Column, Table } from "../design/components.tsx";
import { counted } from "../design/counted.ts";
import { exact } from "./numbers.ts";
import { isBin, type Series } from "./reading.ts";
import { parseTime, readableTime } from "./time.ts";

/** So many rows at once are quick to draw and enough to look at. */
const PAGE = 50;

interface MeasuresTableProps {
  series: Series;
  symbol: string;
}

/** The values of a plot as a table, to be opened. */
export function MeasuresTable({ series, symbol }: MeasuresTableProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="behind" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Table of these values</summary>
      {isOpen && <Pages key={series.points.length} series={series} symbol={symbol} />}
    </details>
  );
}

function Pages({ series, symbol }: MeasuresTableProps) {
  const [page, setPage] = useState(0);
  const { points } = series;
  const pages = Math.max(1, Math.ceil(points.length / PAGE));
  const shown = points.slice(page * PAGE, (page + 1) * PAGE);
  const first = points[0];
  const columns = first && isBin(first) ? ofBins(symbol) : ofMeasures(symbol);
  return (
    <div class="stack">
      <Table
        caption={`Values of ${series.type}, page ${page + 1} of ${pages}`}
        columns={columns as Column<Measure | Bin>[]}
        rows={shown}
        rowKey={(point) => `${point.timestamp} ${shown.indexOf(point)}`}
      />
      {pages > 1 && (
        <nav class="row" aria-label={`Pages of the table of ${series.type}`}>
          <Button small disabled={page === 0} onClick={() => setPage(page - 1)}>
            Earlier
          </Button>
          <span class="soft number" role="status">
            {counted(page * PAGE + 1)} to {counted(page * PAGE + shown.length)} of {counted(points.length)}
          </span>
          <Button small disabled={page === pages - 1} onClick={() => setPage(page + 1)}>
            Later
          </Button>
        </nav>
      )}
    </div>
  );
}

function time({ timestamp }: Measure | Bin): string {
  const nanos = parseTime(timestamp);
  return nanos === null ? timestamp : readableTime(nanos);
}

function ofMeasures(symbol: string): Column<Measure>[] {
  return [
    { head: "Time (UTC)", cell: time, names: true },
    { head: `Value (${symbol})`, cell: ({ value }) => exact(value), kind: "number" },
  ];
}

function ofBins(symbol: string): Column<Bin>[] {
  return [
    { head: "From (UTC)", cell: time, names: true },
    { head: "Measures", cell: ({ count }) => counted(count), kind: "number" },
    { head: `Least (${symbol})`, cell: ({ min }) => exact(min), kind: "number" },
    { head: `Mean (${symbol})`, cell: ({ mean }) => exact(mean), kind: "number" },
    { head: `Greatest (${symbol})`, cell: ({ max }) => exact(max), kind: "number" },
    { head: `Deviation (${symbol})`, cell: ({ std }) => exact(std), kind: "number" },
  ];
}
