"""What Grafana asks for is answered with what its panels show."""

import json
import pathlib
import re

import pytest
import requests
from conftest import TIMEOUT

DASHBOARD = pathlib.Path(__file__).parents[3] / "containers/grafana/dashboards/measures.json"
#: What Grafana puts in the place of its variables.
VARIABLES = {
    "${experiment}": "1",
    "${__from:date:iso}": "2022-04-06T07:00:00.000Z",
    "${__to:date:iso}": "2022-04-06T07:10:00.000Z",
}
KINDS = {"string": (str, int), "number": (int, float), "timestamp": (str,)}


def queries():
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for variable in dashboard["templating"]["list"]:
        yield f"variable {variable['name']}", variable["query"]["infinityQuery"]
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target


def filled(text):
    for variable, value in VARIABLES.items():
        text = text.replace(variable, value)
    assert "$" not in text
    return text


@pytest.mark.parametrize(("place", "query"), list(queries()))
def test_a_query_of_the_dashboard_is_answered_with_its_columns(service, place, query):
    parameters = [(each["key"], filled(each["value"])) for each in query["url_options"].get("params", [])]
    headers = {"Authorization": f"Bearer {service.token('S001')}"}
    address = service.url + filled(query["url"])
    answer = requests.get(address, params=parameters, headers=headers, timeout=TIMEOUT)
    assert answer.status_code == 200, answer.text
    rows = answer.json()
    assert rows and query["root_selector"] == ""
    for column in query["columns"]:
        # A measure without a sensor has no such field, and no sensor in a series.
        if column["selector"] == "sensor":
            continue
        for row in rows:
            assert isinstance(row[column["selector"]], KINDS[column["type"]]), column
            if column["type"] == "timestamp":
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", row[column["selector"]])
