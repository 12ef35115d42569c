"""Reads measures from MyMONIT into pandas or Arrow, and publishes measures."""

from ._client import Client, Experiment, Sensor, Series
from ._credentials import FirebaseSession
from ._errors import (
    ApiError,
    IncompleteAnswer,
    MyMonitError,
    NotPublished,
    TokenMissing,
    Unreachable,
)
from ._publisher import Measure, Publisher, Rejection

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "Client",
    "Experiment",
    "FirebaseSession",
    "IncompleteAnswer",
    "Measure",
    "MyMonitError",
    "NotPublished",
    "Publisher",
    "Rejection",
    "Sensor",
    "Series",
    "TokenMissing",
    "Unreachable",
]
