"""Requests to the service."""

from __future__ import annotations

import io
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Union
from urllib.parse import urlsplit

import requests
import urllib3

from ._errors import ApiError, IncompleteAnswer, Unreachable

#: Seconds to connect, and between two pieces of a response. The service looks for
#: the first measure for up to 30 s.
TIMEOUT = (10, 120)

#: The end-of-stream marker of an Arrow IPC stream.
END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"

Parameters = list[tuple[str, str]]


class Http:
    """The service's address and how to sign requests to it."""

    def __init__(self, url: str, token: Callable[[], str], ca_file: Union[str, None]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url: {url!r} is not an address such as https://mymonit.example.org")
        self._url = url.rstrip("/")
        self._token = token
        self._session = requests.Session()
        if ca_file is not None:
            self._session.verify = ca_file
        if is_loopback(parts.hostname):
            # Compression takes more time than it saves, and proxies are for elsewhere.
            self._session.headers["Accept-Encoding"] = "identity"
            self._session.trust_env = False

    def close(self) -> None:
        self._session.close()

    def json(self, path: str, parameters: Parameters) -> tuple[Any, requests.Response]:
        """The document at a path, and its response."""
        with self._response(path, parameters, "application/json") as response:
            return response.json(), response

    @contextmanager
    def body(self, path: str, parameters: Parameters, media_type: str) -> Iterator[Body]:
        """The body at a path, to be read piece by piece."""
        with self._response(path, parameters, media_type) as response:
            yield Body(response)

    @contextmanager
    def _response(self, path: str, parameters: Parameters, accept: str) -> Iterator[requests.Response]:
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": accept}
        try:
            response = self._session.get(
                self._url + path, params=parameters, headers=headers, stream=True, timeout=TIMEOUT
            )
        except requests.RequestException as error:
            raise Unreachable(f"{self._url} does not answer: {error}") from error
        with response:
            try:
                if response.status_code != 200:
                    raise ApiError.of(response)
                yield response
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                raise IncompleteAnswer(f"the answer to {path} broke off") from error


class Body(io.RawIOBase):
    """The decoded body of a response. Reading fails if the connection breaks."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__()
        self._raw = response.raw
        self._tail = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data: bytes = self._raw.read(len(buffer), decode_content=True)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise IncompleteAnswer("the answer broke off") from error
        buffer[: len(data)] = data
        self._tail = (self._tail + data[-8:])[-8:]
        return len(data)

    def must_have_ended(self) -> None:
        """Fails unless the connection ended the body after the marker of its end."""
        if self.read(1) or self._tail != END_OF_STREAM:
            raise IncompleteAnswer("the Arrow stream has no end")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
