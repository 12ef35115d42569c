"""Publishes measures to RabbitMQ."""

from __future__ import annotations

import json
import math
import random
import ssl
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Optional, Union

from ._errors import NotPublished, Unreachable

if TYPE_CHECKING:
    from types import TracebackType

#: The pseudo-queue of RabbitMQ for direct replies.
REPLY_TO = "amq.rabbitmq.reply-to"
#: The greatest number of measures in a message.
MAX_MEASURES = 10_000


@dataclass(frozen=True)
class Measure:
    """A measure to publish."""

    experiment: str
    #: The name of the measure type.
    measure: str
    value: float
    #: RFC 3339, a time with its zone, or Unix seconds; now if it is left out.
    timestamp: Union[str, datetime, int, float, None] = None
    sensor: Optional[str] = None


@dataclass(frozen=True)
class Rejection:
    """A message that the service has rejected and keeps for an administrator."""

    message_id: str
    #: A stable code, such as `unknown_experiment`.
    reason: str
    #: A sentence that says what is wrong.
    detail: str


class Publisher:
    """Publishes measures; each message is confirmed by the broker before the call returns.

    `url` is `amqp://` or `amqps://` with account and password; `ca_file` names certificates to
    trust instead of the public ones. After a lost connection it reconnects for up to
    `reconnect_timeout` seconds and republishes unconfirmed measures with the same id, so that the
    service stores them once. Use a publisher in one thread only.
    """

    def __init__(
        self,
        url: str,
        *,
        exchange: str = "mymonit",
        routing_key: str = "measures",
        ca_file: Optional[str] = None,
        reconnect_timeout: float = 60,
    ) -> None:
        import pika

        self._parameters = pika.URLParameters(url)
        if ca_file is not None:
            host = self._parameters.host
            self._parameters.ssl_options = pika.SSLOptions(ssl.create_default_context(cafile=ca_file), host)
        self._exchange = exchange
        self._routing_key = routing_key
        self._reconnect_timeout = reconnect_timeout
        self._connection: Any = None
        self._channel: Any = None
        self._rejections: list[Rejection] = []

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def publish(
        self,
        experiment: str,
        measure: str,
        value: float,
        timestamp: Union[str, datetime, int, float, None] = None,
        *,
        sensor: Optional[str] = None,
    ) -> str:
        """Publishes one measure and gives the id of its message."""
        document = encoded(Measure(experiment, measure, value, timestamp, sensor))
        return self._send(json.dumps(document).encode())

    def publish_many(self, measures: Iterable[Measure], *, array: int = 1_000) -> list[str]:
        """Publishes measures in arrays of up to `array` (1 to 10,000); returns the message ids.

        An array is stored whole or rejected whole.
        """
        if not 1 <= array <= MAX_MEASURES:
            raise ValueError(f"array: {array} is not from 1 to {MAX_MEASURES}")
        ids: list[str] = []
        for part in parts(map(encoded, measures), array):
            try:
                ids.append(self._send(json.dumps(part).encode()))
            except NotPublished as error:
                error.confirmed = ids
                raise
        return ids

    def retry(self, error: NotPublished) -> str:
        """Sends a message again that was not confirmed, with the same id: it is stored once."""
        return self._send(error.body, error.message_id)

    def rejections(self, wait: float = 0) -> list[Rejection]:
        """The rejections since the last call; waits up to `wait` seconds for the first one.

        Accepted messages get no reply, and a reply can be lost with its connection: the service
        keeps all rejected messages.
        """
        import pika

        end = time.monotonic() + wait
        try:
            while self._connection is not None:
                self._connection.process_data_events(time_limit=0)
                left = end - time.monotonic()
                if self._rejections or left <= 0:
                    break
                self._connection.process_data_events(time_limit=left)
        except pika.exceptions.AMQPError:
            self._forget()
        found, self._rejections = self._rejections, []
        return found

    def close(self) -> None:
        """Closes the connection."""
        import pika

        connection, self._connection, self._channel = self._connection, None, None
        try:
            if connection is not None:
                connection.close()
        except pika.exceptions.AMQPError:
            # It is closed already.
            pass

    def _send(self, body: bytes, message_id: Optional[str] = None) -> str:
        import pika

        # Unguessable, so that no other publisher can use it first.
        message_id = message_id or str(uuid.uuid4())
        properties = pika.BasicProperties(
            message_id=message_id,
            correlation_id=message_id,
            reply_to=REPLY_TO,
            content_type="application/json",
            delivery_mode=2,
        )
        end = time.monotonic() + self._reconnect_timeout
        for attempt in range(1_000_000):
            try:
                self._connect()
                self._channel.basic_publish(
                    self._exchange, self._routing_key, body, properties=properties, mandatory=True
                )
                return message_id
            except pika.exceptions.UnroutableError:
                raise NotPublished(message_id, body, "no queue takes it; has the service been started?") from None
            except (pika.exceptions.AMQPError, OSError) as error:
                self._forget()
                if is_final(error):
                    raise Unreachable(f"the broker refuses the connection: {error!r}") from error
                # The broker may be full, starting, or unreachable.
                pause = min(10.0, 0.1 * 2.0 ** min(attempt, 10)) * random.uniform(0.5, 1)
                if time.monotonic() + pause > end:
                    raise NotPublished(message_id, body, repr(error)) from error
                time.sleep(pause)
        raise AssertionError("unreachable")

    def _connect(self) -> None:
        import pika

        if self._channel is not None and self._channel.is_open:
            return
        self._connection = pika.BlockingConnection(self._parameters)
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        # Direct replies cannot be acknowledged.
        self._channel.basic_consume(REPLY_TO, self._on_reply, auto_ack=True)

    def _on_reply(self, _channel: Any, _method: Any, properties: Any, body: bytes) -> None:
        try:
            reply = json.loads(body)
            message_id = reply.get("message_id") or properties.correlation_id or ""
            self._rejections.append(Rejection(message_id, reply["reason"], reply.get("detail", "")))
        except (ValueError, KeyError, AttributeError):
            # Something else than a notice of the service.
            pass

    def _forget(self) -> None:
        try:
            self.close()
        except OSError:
            pass


def is_final(error: BaseException) -> bool:
    """Whether a broker will say the same next time."""
    import pika

    final = (
        pika.exceptions.ProbableAuthenticationError,
        pika.exceptions.ProbableAccessDeniedError,
        pika.exceptions.AuthenticationError,
    )
    if isinstance(error, pika.exceptions.ChannelClosedByBroker):
        # Access refused, or no such exchange.
        return error.reply_code in (403, 404)
    return isinstance(error, final) or isinstance(error, ssl.SSLCertVerificationError)


def encoded(measure: Measure) -> dict[str, Any]:
    """A measure as the service reads it."""
    value = float(measure.value)
    if not math.isfinite(value):
        raise ValueError(f"value: {value} is not a finite number")
    document = {
        "experiment": measure.experiment,
        "measure": measure.measure,
        "value": value,
        "timestamp": time_of(measure.timestamp),
    }
    if measure.sensor is not None:
        document["sensor"] = measure.sensor
    return document


def time_of(timestamp: Union[str, datetime, int, float, None]) -> Union[str, int, float]:
    if timestamp is None:
        seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanos:09}Z"
    if isinstance(timestamp, datetime):
        if timestamp.tzinfo is None:
            raise ValueError(f"timestamp: {timestamp} has no time zone, such as datetime.timezone.utc")
        return timestamp.isoformat()
    return timestamp


def parts(documents: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    while part := list(islice(documents, size)):
        yield part
