"""Reads experiments and measures."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Optional, Union

from ._credentials import Token, token_source
from ._http import Body, Http, Parameters

if TYPE_CHECKING:
    from types import TracebackType

    import pandas
    import pyarrow

ARROW = "application/vnd.apache.arrow.stream"
CSV = "text/csv"

#: RFC 3339 or relative (`now-7d`), a time with its zone, or Unix seconds.
Moment = Union[str, datetime, int, float]


@dataclass(frozen=True)
class Experiment:
    """An experiment."""

    experiment_id: int
    name: str
    description: str = ""
    archived: bool = False


@dataclass(frozen=True)
class Series:
    """The measures of one sensor, or none, and one measure type."""

    sensor: Optional[str]
    measure_type: str
    symbol: str
    #: The time of the first measure, RFC 3339.
    first: str
    #: The time of the last measure, RFC 3339.
    last: str
    latest_value: float


@dataclass(frozen=True)
class Sensor:
    """A source of measures."""

    name: str
    description: str


class Client:
    """Reads what the token's user may read.

    `token` is an API token or an ID token, the path of a file with one, or a `FirebaseSession`.
    The default is `MYMONIT_TOKEN`, else the content of the file `MYMONIT_TOKEN_FILE`, else of
    `~/.config/mymonit/token`. `ca_file` names a file of certificates to trust instead of the
    public ones.
    """

    def __init__(self, url: str, token: Optional[Token] = None, *, ca_file: Optional[str] = None) -> None:
        self._http = Http(url, token_source(token), ca_file)
        self._ids: dict[str, int] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def experiments(self) -> dict[str, Experiment]:
        """The experiments by name."""
        found, _ = self._http.json("/experiments/", [])
        experiments = {each["name"]: made(Experiment, each) for each in found}
        self._ids = {name: each.experiment_id for name, each in experiments.items()}
        return experiments

    def series(self, experiment: Union[str, int]) -> list[Series]:
        """The series of an experiment."""
        found, _ = self._http.json(f"/experiments/{self._id(experiment)}/series", [])
        return [made(Series, each) for each in found]

    def sensors(self, experiment: Union[str, int]) -> list[Sensor]:
        """The sensors of an experiment."""
        found, _ = self._http.json(f"/experiments/{self._id(experiment)}/sensors/", [])
        return [made(Sensor, each) for each in found]

    def measures(
        self,
        experiment: Union[str, int],
        *,
        start: Optional[Moment] = None,
        end: Optional[Moment] = None,
        types: Union[str, Iterable[str]] = (),
        sensors: Union[str, None, Iterable[Optional[str]]] = (),
        max_points: Optional[int] = None,
        window: Optional[str] = None,
        flagged: Optional[str] = None,
    ) -> pandas.DataFrame:
        """Measures, or bins, as a frame, oldest first.

        `start` is inclusive, `end` exclusive. The sensor `None` selects measures without a sensor.
        `max_points` limits the bins of each series, `window` sets their width (`10s`, `5m`, `1h`,
        `1d`). Flagged measures are excluded unless `flagged` is `include` or `only`. Names are
        categoricals, `timestamp` is `datetime64[ns, UTC]`. Uses Arrow if pyarrow is installed,
        else CSV.
        """
        parameters = reading(start, end, types, sensors, max_points, window, flagged)
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            return self._frame_by_csv(experiment, parameters)
        table = self._table(experiment, parameters)
        frame: pandas.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
        return frame

    def arrow(
        self,
        experiment: Union[str, int],
        *,
        start: Optional[Moment] = None,
        end: Optional[Moment] = None,
        types: Union[str, Iterable[str]] = (),
        sensors: Union[str, None, Iterable[Optional[str]]] = (),
        max_points: Optional[int] = None,
        window: Optional[str] = None,
        flagged: Optional[str] = None,
    ) -> pyarrow.Table:
        """The same as a table of Arrow."""
        return self._table(experiment, reading(start, end, types, sensors, max_points, window, flagged))

    def stream(
        self,
        experiment: Union[str, int],
        *,
        start: Optional[Moment] = None,
        end: Optional[Moment] = None,
        types: Union[str, Iterable[str]] = (),
        sensors: Union[str, None, Iterable[Optional[str]]] = (),
        max_points: Optional[int] = None,
        window: Optional[str] = None,
        flagged: Optional[str] = None,
    ) -> Iterator[pyarrow.RecordBatch]:
        """The measures as a stream of record batches, which bounds memory.

        Ends with `IncompleteAnswer` if the connection breaks.
        """
        parameters = reading(start, end, types, sensors, max_points, window, flagged)
        with self._reader(experiment, parameters) as (reader, body):
            yield from reader
            body.must_have_ended()

    def _table(self, experiment: Union[str, int], parameters: Parameters) -> pyarrow.Table:
        with self._reader(experiment, parameters) as (reader, body):
            table = reader.read_all()
            body.must_have_ended()
        # One dictionary a column, which not every program does without.
        return table.unify_dictionaries()

    @contextmanager
    def _reader(
        self, experiment: Union[str, int], parameters: Parameters
    ) -> Iterator[tuple[pyarrow.RecordBatchStreamReader, Body]]:
        import pyarrow

        with self._http.body(self._path(experiment), parameters, ARROW) as body:
            yield pyarrow.ipc.open_stream(body), body

    def _frame_by_csv(self, experiment: Union[str, int], parameters: Parameters) -> pandas.DataFrame:
        import pandas

        with self._http.body(self._path(experiment), parameters, CSV) as body:
            frame: pandas.DataFrame = pandas.read_csv(
                io.BufferedReader(body),
                dtype=dict.fromkeys(("experiment", "measure_type", "sensor"), "category"),
                # An experiment may be called "NA"; only measures without a sensor have an empty
                # one.
                keep_default_na=False,
                na_values={"sensor": [""]},
                **to_the_bit(pandas.__version__),
            )
        frame["timestamp"] = pandas.to_datetime(frame["timestamp"], format="ISO8601", utc=True).astype(
            "datetime64[ns, UTC]"
        )
        return frame

    def _path(self, experiment: Union[str, int]) -> str:
        return f"/measures/{self._id(experiment)}"

    def _id(self, experiment: Union[str, int]) -> int:
        if isinstance(experiment, int):
            return experiment
        if experiment not in self._ids:
            self.experiments()
        try:
            return self._ids[experiment]
        except KeyError:
            known = ", ".join(sorted(self._ids)) or "none"
            raise KeyError(f"experiment: {experiment!r} is none of those you may read: {known}") from None


def to_the_bit(version: str) -> Any:
    """What makes pandas read numbers to the bit; it does so by itself from 3.1 on."""
    major, minor = (int(number) for number in version.split(".")[:2])
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def made(kind: Any, found: dict[str, Any]) -> Any:
    """A record of the fields that this version knows."""
    return kind(**{name: value for name, value in found.items() if name in kind.__dataclass_fields__})


def reading(
    start: Optional[Moment],
    end: Optional[Moment],
    types: Union[str, Iterable[str]],
    sensors: Union[str, None, Iterable[Optional[str]]],
    max_points: Optional[int],
    window: Optional[str],
    flagged: Optional[str],
) -> Parameters:
    """The parameters of a reading, oldest first."""
    parameters: Parameters = [("order", "asc")]
    if start is not None:
        parameters.append(("from", moment("start", start)))
    if end is not None:
        parameters.append(("to", moment("end", end)))
    parameters += [("type", name) for name in ([types] if isinstance(types, str) else types)]
    names = [sensors] if sensors is None or isinstance(sensors, str) else sensors
    parameters += [("sensor", name or "") for name in names]
    if max_points is not None:
        parameters.append(("max_points", str(max_points)))
    if window is not None:
        parameters.append(("window", window))
    if flagged is not None:
        parameters.append(("flagged", flagged))
    return parameters


def moment(name: str, value: Moment) -> str:
    """A time as the service reads it."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name}: {value} has no time zone, such as datetime.timezone.utc")
        return value.isoformat()
    return str(value)
