"""What the service holds comes out of the client, whole."""

import builtins
import io
import math
import struct
from datetime import datetime, timezone

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import requests
from conftest import CuttingProxy, many, publish_and_wait
from mymonit import ApiError, Client, IncompleteAnswer, Measure, TokenMissing, Unreachable

EXAMPLE = [100, 95, 94, 110, 120, 130, 110, 110, 105, 120]


def bits(value):
    return struct.pack("<d", value)


@pytest.fixture(params=["arrow", "csv"])
def by_format(request, monkeypatch):
    """Reads with and without pyarrow."""
    if request.param == "csv":
        found = builtins.__import__

        def without_pyarrow(name, *arguments):
            # pandas itself accepts it.
            if name == "pyarrow" and arguments and arguments[0].get("__name__") == "mymonit._client":
                raise ImportError(name)
            return found(name, *arguments)

        monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    return request.param


def test_experiments_are_found_by_name(client):
    experiments = client.experiments()
    assert experiments["device-vibrations"].experiment_id == 1
    assert "black-holes" not in experiments


def test_a_frame_has_nanoseconds_and_categoricals(client, by_format):
    frame = client.measures("device-vibrations", end="2023-01-01T00:00:00Z")
    assert list(frame["value"]) == EXAMPLE
    assert frame["timestamp"].dtype == pd.DatetimeTZDtype("ns", "UTC")
    assert frame["timestamp"][1] == pd.Timestamp("2022-04-06T07:01:00Z")
    for name in ("experiment", "measure_type"):
        assert isinstance(frame[name].dtype, pd.CategoricalDtype)
    assert set(frame["measure_type"]) == {"hertz"} and set(frame["experiment"]) == {"device-vibrations"}


def test_times_types_and_experiments_select(client, by_format):
    start, end = datetime(2022, 4, 6, 7, 1, tzinfo=timezone.utc), pd.Timestamp("2022-04-06T07:03:00Z")
    assert list(client.measures(1, start=start, end=end, types="hertz")["value"]) == [95, 94]
    nothing = client.measures(1, types=["volt"])
    assert len(nothing) == 0 and nothing["timestamp"].dtype == pd.DatetimeTZDtype("ns", "UTC")


def test_bins_have_counts_and_deviations(client, by_format):
    bins = client.measures("device-vibrations", window="5m", end="2023-01-01T00:00:00Z")
    assert list(bins["count"]) == [5, 5] and list(bins["max"]) == [120, 130]
    assert bins["count"].dtype.kind in "iu"
    assert len(client.measures("device-vibrations", max_points=1)) == 1


def test_values_and_times_are_exact_to_the_bit(client, publisher, experiment, by_format):
    values = [-0.0, 5e-324, math.pi, 1e308, 0.1 + 0.2, -123456789.123456789]
    measures = [
        Measure(experiment, "volt", value, f"2026-11-30T00:00:00.{number:09}Z") for number, value in enumerate(values)
    ]
    publish_and_wait(publisher, client, measures)
    frame = client.measures(experiment)
    assert [bits(value) for value in frame["value"]] == [bits(value) for value in values]
    assert list(frame["timestamp"].astype("int64") % 1_000_000_000) == list(range(len(values)))


def test_sensors_are_series_of_their_own(client, publisher, experiment, administrator, by_format):
    names = [None, "left", "NA", "rechts, \"ü\""]
    measures = [
        Measure(experiment, "kelvin", float(number), 1_650_000_000 + number, name)
        for number, name in enumerate(names * 2)
    ]
    publish_and_wait(publisher, client, measures)
    frame = client.measures(experiment)
    assert [None if pd.isna(name) else name for name in frame["sensor"]] == names * 2
    assert isinstance(frame["sensor"].dtype, pd.CategoricalDtype)
    assert list(client.measures(experiment, sensors=["left", "NA"])["value"]) == [1, 2, 5, 6]
    assert list(client.measures(experiment, sensors=None)["value"]) == [0, 4]
    bins = client.measures(experiment, sensors=["left", None], window="1d")
    assert [None if pd.isna(name) else name for name in bins["sensor"]] == [None, "left"]
    assert list(bins["mean"]) == [2, 3]

    series = {each.sensor: each for each in client.series(experiment)}
    assert {name: each.latest_value for name, each in series.items()} == dict(zip(names, [4, 5, 6, 7]))
    assert (series[None].measure_type, series[None].symbol) == ("kelvin", "K")
    assert (series["left"].first, series["left"].last) == ("2022-04-15T05:20:01Z", "2022-04-15T05:20:05Z")

    identity = client.experiments()[experiment].experiment_id
    administrator.send("PUT", f"/experiments/{identity}/sensors/left", {"name": "left", "description": "PT100"})
    descriptions = {each.name: each.description for each in client.sensors(experiment)}
    assert descriptions == {"left": "PT100", "NA": "", 'rechts, "ü"': ""}
    with pytest.raises(ApiError, match="`sensor`.*the closest known name is `left`"):
        client.measures(experiment, sensors="lef")


def test_flagged_measures_are_left_out_unless_asked_for(client, publisher, experiment, service, by_format):
    measures = [Measure(experiment, "volt", float(number), 1_650_000_000 + number) for number in range(5)]
    publish_and_wait(publisher, client, measures)
    identity = client.experiments()[experiment].experiment_id
    flag = {"from": "2022-04-15T05:20:01Z", "to": "2022-04-15T05:20:03Z", "reason": "lid open"}
    headers = {"Authorization": f"Bearer {service.token('S001')}"}
    requests.post(f"{service.url}/experiments/{identity}/flags/", json=flag, headers=headers).raise_for_status()
    assert list(client.measures(experiment)["value"]) == [0, 3, 4]
    assert list(client.measures(experiment, flagged="only")["value"]) == [1, 2]
    assert list(client.measures(experiment, flagged="include")["value"]) == [0, 1, 2, 3, 4]


def test_an_api_token_reads_what_it_is_for_and_nothing_else(service, experiment):
    headers = {"Authorization": f"Bearer {service.token('S001')}"}
    wanted = {"name": "notebook", "experiments": [1], "expires_in_days": 30}
    made = requests.post(f"{service.url}/users/me/tokens/", json=wanted, headers=headers)
    made.raise_for_status()
    with Client(service.url, made.json()["secret"]) as program:
        assert list(program.measures(1, end="2023-01-01T00:00:00Z")["value"]) == EXAMPLE
        with pytest.raises(ApiError) as refused:
            program.measures(3)
        assert refused.value.status == 404
        token_id = made.json()["token_id"]
        requests.delete(f"{service.url}/users/me/tokens/{token_id}", headers=headers).raise_for_status()
        with pytest.raises(ApiError) as refused:
            program.measures(1)
        assert refused.value.status == 401


def test_many_types_in_one_stream_come_out_right_everywhere(
    client, publisher, experiment, administrator, service
):
    names = [f"type {experiment} {number}" for number in range(300)]
    for number, name in enumerate(names):
        unit = {"name": name, "symbol": f"{experiment}/{number}"[-32:], "quantity": "many"}
        administrator.send("POST", "/measure-types/", unit)
    # A new type every hundred measures, so that the dictionary grows in every batch.
    measures = [
        Measure(experiment, names[number // 100], float(number), 1_650_000_000 + number) for number in range(30_000)
    ]
    publish_and_wait(publisher, client, measures)
    expected = [(measure.measure, measure.value) for measure in measures]

    batches = list(client.stream(experiment))
    assert len(batches) > 3 and sum(batch.num_rows for batch in batches) == len(measures)
    streamed = pa.Table.from_batches(
        [batch.set_column(1, "measure_type", batch["measure_type"].dictionary_decode()) for batch in batches]
    )
    assert list(zip(streamed["measure_type"].to_pylist(), streamed["value"].to_pylist())) == expected

    frame = client.measures(experiment)
    assert list(zip(frame["measure_type"], frame["value"])) == expected

    table = client.arrow(experiment)
    assert table.schema.field("timestamp").type == pa.timestamp("ns", "UTC")
    assert pa.types.is_dictionary(table.schema.field("measure_type").type)
    assert list(zip(table["measure_type"].to_pylist(), table["value"].to_pylist())) == expected

    polars = pl.from_arrow(table)
    assert list(zip(polars["measure_type"].cast(pl.String), polars["value"])) == expected
    assert polars["timestamp"].dtype == pl.Datetime("ns", "UTC")

    # Without the client and pyarrow.
    identity = client.experiments()[experiment].experiment_id
    headers = {"Authorization": f"Bearer {service.token('S001')}"}
    answer = requests.get(f"{service.url}/measures/{identity}?format=arrow&order=asc", headers=headers)
    stream = pl.read_ipc_stream(io.BytesIO(answer.content))
    assert list(zip(stream["measure_type"].cast(pl.String), stream["value"])) == expected

    rows = duckdb.from_arrow(table).project("measure_type::VARCHAR, value").order("value").fetchall()
    assert rows == expected


def test_a_broken_connection_is_an_error(client, service, publisher, experiment, by_format):
    publish_and_wait(publisher, client, many(experiment, 50_000, ["hertz", "volt"]))
    identity = client.experiments()[experiment].experiment_id
    for limit in (1_000, 400_000, 700_000):
        proxy = CuttingProxy(service.url, limit)
        with Client(proxy.url, service.token("S001")) as cut, pytest.raises(IncompleteAnswer):
            cut.measures(identity)
        proxy.close()


def test_a_stream_ends_with_an_error_where_it_is_cut(client, service, publisher, experiment):
    publish_and_wait(publisher, client, many(experiment, 50_000, ["hertz", "volt"]))
    identity = client.experiments()[experiment].experiment_id
    proxy = CuttingProxy(service.url, 500_000)
    count = 0
    with Client(proxy.url, service.token("S001")) as cut, pytest.raises(IncompleteAnswer):
        for batch in cut.stream(identity):
            count += batch.num_rows
    proxy.close()
    assert 0 < count < 50_000


def test_a_refusal_carries_the_code_of_the_service(client, service):
    with pytest.raises(ApiError) as refusal:
        client.measures(2)
    assert (refusal.value.status, refusal.value.code) == (404, "not_found")
    with pytest.raises(ApiError, match="max_points") as refusal:
        client.measures(1, max_points=0)
    assert refusal.value.code == "invalid_argument"
    with pytest.raises(ApiError) as refusal, Client(service.url, "nonsense") as stranger:
        stranger.experiments()
    assert (refusal.value.status, refusal.value.code) == (401, "unauthenticated")


def test_mistakes_are_named_before_anything_is_sent(client):
    with pytest.raises(ValueError, match="start: .* no time zone"):
        client.measures(1, start=datetime(2022, 4, 6))
    with pytest.raises(KeyError, match="device-vibrations"):
        client.measures("black-holes")
    with pytest.raises(ValueError, match="url"):
        Client("mymonit.example.org", "token")


def test_a_service_that_is_away_is_named():
    with pytest.raises(Unreachable), Client("http://127.0.0.1:9", "token") as client:
        client.experiments()


def test_a_token_comes_from_the_environment_or_a_file(service, monkeypatch, tmp_path):
    token = service.token("S001")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MYMONIT_TOKEN", raising=False)
    monkeypatch.delenv("MYMONIT_TOKEN_FILE", raising=False)
    with Client(service.url) as client:
        with pytest.raises(TokenMissing, match="MYMONIT_TOKEN"):
            client.experiments()
        file = tmp_path / ".config/mymonit/token"
        file.parent.mkdir(parents=True)
        file.write_text(f"{token}\n")
        assert client.experiments()
    monkeypatch.setenv("MYMONIT_TOKEN_FILE", str(file))
    monkeypatch.setenv("HOME", "/nowhere")
    for given in (None, file):
        with Client(service.url, given) as client:
            assert client.experiments()
    monkeypatch.setenv("MYMONIT_TOKEN", token)
    with Client(service.url) as client:
        assert client.experiments()
