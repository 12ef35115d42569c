import { useState } from "preact/hooks";
import { listMeasureTypes } from "../../api/resources.ts";
import type { MeasureType } from "../../api/shapes.ts";
import { Button, type Column, Empty, LoadState, Table } from "../../design/components.tsx";
import { Finder } from "../../design/finder.tsx";
import { useLoad } from "../../design/load.ts";
import { PagedList } from "../../design/paged-list.tsx";
import { hasInIt } from "../../experiments/search.ts";
import { View } from "../../frame/view.tsx";
import { address, href, navigate } from "../../routing/address.ts";
import { ResultNotice } from "../result-notice.tsx";
import { MeasureTypeForm } from "./measure-type-form.tsx";

/** The types that measures can have, for an administrator. */
export function MeasureTypes() {
  const loaded = useLoad(listMeasureTypes, []);
  const [task, setTask] = useState<{ type?: MeasureType } | null>(null);
  const [done, setDone] = useState<{ text: string; when: number } | null>(null);
  const search = address.value.query.get("search") ?? "";
  const all = loaded.value ?? [];
  const found = all.filter(({ name, symbol, quantity }) => hasInIt(`${name} ${symbol} ${quantity}`, search));
  return (
    <View
      title="Measure types"
      lead="What is measured, and in which unit. Measures name their type, or its symbol."
      actions={
        <Button look="primary" onClick={() => setTask({})}>
          Add a measure type
        </Button>
      }
    >
      {done && (
        <ResultNotice key={done.when}>
          <p>{done.text}</p>
        </ResultNotice>
      )}
      <LoadState loaded={loaded} what="the measure types" />
      {loaded.value && (
        <section class="stack" aria-label="List of measure types">
          <Finder
            placeholder="A part of name, symbol or quantity"
            text={search}
            onType={showFound}
            found={found.length}
            of={all.length}
            one="measure type"
          />
          {found.length > 0 ? (
            <PagedList key={search} rows={found}>
              {(shown) => (
                <Table
                  caption="Measure types"
                  columns={columns((type) => setTask({ type }))}
                  rows={shown}
                  rowKey={({ measure_type_id }) => measure_type_id}
                  stacks
                />
              )}
            </PagedList>
          ) : (
            <Empty title="No measure type is found">
              <p>No name, symbol or quantity contains this.</p>
              <Button onClick={() => showFound("")}>Show all measure types</Button>
            </Empty>
          )}
        </section>
      )}
      {task && (
        <MeasureTypeForm
          type={task.type}
          onClose={() => setTask(null)}
          onSaved={({ name, symbol }) => {
            setDone({
              text: `${name} (${symbol}) was ${task.type ? "changed" : "added"}.`,
              when: Date.now(),
            });
            setTask(null);
            loaded.reload();
          }}
        />
      )}
    </View>
  );
}

function columns(change: (type: MeasureType) => void): readonly Column<MeasureType>[] {
  return [
    { head: "Name", names: true, kind: "text", cell: ({ name }) => <bdi>{name}</bdi> },
    { head: "Symbol", cell: ({ symbol }) => <bdi>{symbol}</bdi> },
    { head: "Quantity", kind: "text", cell: ({ quantity }) => <bdi>{quantity}</bdi> },
    {
      head: "Actions",
      kind: "actions",
      cell: (type) => (
        <Button small look="quiet" aria-label={`Change ${type.name}`} onClick={() => change(type)}>
          Change
        </Button>
      ),
    },
  ];
}

function showFound(search: string): void {
  navigate(href(["administration", "measure-types"], { search }), { replace: true });
}
