#!/usr/bin/env python3
"""Prints saved-objects.ndjson: the data views and dashboards of MyMONIT's logs.

    containers/kibana/make-saved-objects.py > containers/kibana/saved-objects.ndjson

Kibana stores dashboards as long lines that cannot be reviewed; here they are generated from a
readable description. The formats are old ones that Kibana still migrates: aggregation-based
visualizations and saved searches.
"""

import json

LINES, AUDIT = "mymonit-logs", "mymonit-audit"
objects = []


def add(kind, id_, attributes, references=()):
    objects.append({"type": kind, "id": id_, "attributes": attributes, "references": list(references)})


def data_view(id_, title, name):
    add("index-pattern", id_, {"title": title, "name": name, "timeFieldName": "@timestamp"})


def source(view, query):
    """What a search or visualization is about, and the reference to its data view."""
    search = {"query": {"language": "kuery", "query": query}, "filter": [],
              "indexRefName": "kibanaSavedObjectMeta.searchSourceJSON.index"}
    reference = {"id": view, "name": "kibanaSavedObjectMeta.searchSourceJSON.index", "type": "index-pattern"}
    return {"searchSourceJSON": json.dumps(search)}, [reference]


def table(id_, title, view, query, columns):
    meta, references = source(view, query)
    add("search", id_, {"title": title, "description": "", "columns": columns, "sort": [["@timestamp", "desc"]],
                        "kibanaSavedObjectMeta": meta}, references)
    return "search", id_


def over_time(id_, title, view, query, split, metric=None):
    """Bars over time, split by the values of a field; counted, or summed up by another field."""
    measure = ({"id": "1", "enabled": True, "type": "count", "schema": "metric", "params": {}} if metric is None else
               {"id": "1", "enabled": True, "type": metric[0], "schema": "metric", "params": {"field": metric[1]}})
    aggregations = [
        measure,
        {"id": "2", "enabled": True, "type": "date_histogram", "schema": "segment",
         "params": {"field": "@timestamp", "interval": "auto", "min_doc_count": 1}},
    ]
    if split:
        aggregations.append({"id": "3", "enabled": True, "type": "terms", "schema": "group",
                             "params": {"field": split, "size": 12, "order": "desc", "orderBy": "1"}})
    params = {
        "type": "histogram", "addLegend": True, "addTooltip": True, "legendPosition": "right", "grid": {"categoryLines": False},
        "categoryAxes": [{"id": "CategoryAxis-1", "type": "category", "position": "bottom", "show": True,
                          "scale": {"type": "linear"}, "labels": {"show": True, "truncate": 100}, "title": {}}],
        "valueAxes": [{"id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "left", "show": True,
                       "scale": {"type": "linear", "mode": "normal"}, "labels": {"show": True}, "title": {"text": ""}}],
        "seriesParams": [{"show": True, "type": "histogram", "mode": "stacked", "data": {"label": "", "id": "1"},
                          "valueAxis": "ValueAxis-1"}],
        "times": [], "addTimeMarker": False,
    }
    meta, references = source(view, query)
    add("visualization", id_, {"title": title, "description": "", "version": 1, "uiStateJSON": "{}",
                               "visState": json.dumps({"title": title, "type": "histogram", "params": params,
                                                       "aggs": aggregations}),
                               "kibanaSavedObjectMeta": meta}, references)
    return "visualization", id_


def dashboard(id_, title, description, panels):
    layout, references = [], []
    row = 0
    for number, (kind, panel) in enumerate(panels):
        height = 12 if kind == "visualization" else 18
        layout.append({"type": kind, "panelIndex": str(number), "panelRefName": f"panel_{number}", "embeddableConfig": {},
                       "gridData": {"i": str(number), "x": 0, "y": row, "w": 48, "h": height}})
        references.append({"id": panel, "name": f"{number}:panel_{number}", "type": kind})
        row += height
    add("dashboard", id_, {"title": title, "description": description, "panelsJSON": json.dumps(layout),
                           "optionsJSON": json.dumps({"useMargins": True, "hidePanelTitles": False}),
                           "timeRestore": True, "timeFrom": "now-24h", "timeTo": "now",
                           "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(
                               {"query": {"language": "kuery", "query": ""}, "filter": []})}}, references)


REQUESTS = 'event.dataset: "mymonit.log" and http.response.status_code: *'
REFUSED = "event.action: (authenticate or authorize)"

data_view(LINES, "logs-mymonit.*,logs-nginx.*,logs-mysql.*,logs-rabbitmq.*", "MyMONIT: all log lines")
data_view(AUDIT, "logs-mymonit.audit-*", "MyMONIT: audit events")

dashboard("mymonit-requests", "MyMONIT: requests", "What clients asked, at the service and at nginx", [
    over_time("mymonit-requests-status", "Requests by status", LINES, REQUESTS, "http.response.status_code"),
    over_time("mymonit-requests-route", "Requests by route", LINES, REQUESTS, "url.path"),
    over_time("mymonit-requests-nginx", "Requests at nginx by status", LINES, 'event.dataset: "nginx.access"',
              "http.response.status_code"),
    table("mymonit-requests-list", "Requests", LINES, REQUESTS,
          ["http.request.method", "url.path", "http.response.status_code", "event.duration", "user.id", "source.ip",
           "http.request.id"]),
])
dashboard("mymonit-errors", "MyMONIT: errors", "What went wrong, in each container", [
    over_time("mymonit-errors-service", "Warnings and errors by container", LINES,
              "log.level: (warn or warning or error or critical or Warning or ERROR)",
              "service.name"),
    table("mymonit-errors-list", "Warnings and errors of the service and the broker", LINES,
          'log.level: (warn or warning or error or critical)',
          ["service.name", "log.level", "message", "error.code", "error.message", "http.request.id"]),
    table("mymonit-errors-nginx", "Errors of nginx", LINES, 'event.dataset: "nginx.error"', ["message"]),
    table("mymonit-errors-mysql", "Errors of the database", LINES, 'event.dataset: "mysql.error" and not log.level: System',
          ["log.level", "error.code", "message"]),
    table("mymonit-errors-slow", "Slow statements", LINES, 'event.dataset: "mysql.slowlog"', ["mysql.seconds_max", "mysql.executions", "message"]),
])
dashboard("mymonit-audit", "MyMONIT: audit", "Who did what, and how it ended", [
    over_time("mymonit-audit-actions", "Events by action", AUDIT, 'not event.kind: "metric"', "event.action"),
    over_time("mymonit-audit-reads", "Measures read, by user", AUDIT, 'event.action: "read-measures"', "user.id",
              ("sum", "mymonit.measures")),
    table("mymonit-audit-list", "Events", AUDIT, 'not event.kind: "metric"',
          ["event.action", "event.outcome", "user.id", "mymonit.resource.type", "mymonit.resource.id", "mymonit.measures",
           "event.reason", "source.ip", "http.request.id"]),
])
dashboard("mymonit-ingest", "MyMONIT: ingest", "What the consumer took in", [
    over_time("mymonit-ingest-stored", "Messages stored", AUDIT, 'event.action: "consume-messages"', None,
              ("sum", "mymonit.throughput.stored")),
    over_time("mymonit-ingest-rejected", "Messages rejected", AUDIT, 'event.action: "consume-messages"', None,
              ("sum", "mymonit.throughput.rejected")),
    over_time("mymonit-ingest-duplicate", "Duplicates", AUDIT, 'event.action: "consume-messages"', None,
              ("sum", "mymonit.throughput.duplicate")),
    table("mymonit-ingest-broker", "What the broker says", LINES, 'event.dataset: "rabbitmq.log"', ["log.level", "message"]),
])
dashboard("mymonit-refused", "MyMONIT: refused access", "Who was refused, and what", [
    over_time("mymonit-refused-address", "Refusals by address", AUDIT, REFUSED, "source.ip"),
    over_time("mymonit-refused-operation", "Refused operations", AUDIT, 'event.action: "authorize"', "mymonit.operation"),
    table("mymonit-refused-list", "Refusals", AUDIT, REFUSED,
          ["event.action", "user.id", "mymonit.operation", "mymonit.resource.type", "mymonit.resource.id", "event.reason",
           "source.ip", "url.path", "http.request.id"]),
])

for saved in objects:
    print(json.dumps(saved, ensure_ascii=False))
