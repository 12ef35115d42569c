"""What is published is stored once, also when the broker's connections break."""

import subprocess
import os

import pytest
from conftest import BROKER, eventually
from mymonit import Measure, NotPublished, Publisher, Unreachable

#: rabbitmqctl of the private broker.
RABBITMQCTL = os.environ["MYMONIT_RABBITMQCTL"]


def close_connections():
    subprocess.run([RABBITMQCTL, "--quiet", "close_all_connections", "test"], check=True)


def test_a_measure_comes_out_as_it_went_in(client, publisher, experiment):
    publisher.publish(experiment, "hertz", 1, "2022-04-06T07:00:00.123456789Z")
    publisher.publish(experiment, "volt", 2.5, 1_650_000_000)
    eventually(lambda: len(client.measures(experiment)) == 2)
    frame = client.measures(experiment)
    assert list(zip(frame["measure_type"], frame["value"])) == [("hertz", 1.0), ("volt", 2.5)]
    assert frame["timestamp"][0].nanosecond == 789


def test_arrays_are_cut_and_each_message_has_an_id(client, publisher, experiment):
    measures = [Measure(experiment, "hertz", number, 1_650_000_000 + number) for number in range(2_500)]
    assert len(set(publisher.publish_many(measures))) == 3
    eventually(lambda: len(client.measures(experiment)) == 2_500)


def test_a_lost_connection_is_made_again(client, publisher, experiment):
    for number in range(4):
        publisher.publish(experiment, "hertz", number, 1_650_000_000 + number)
        close_connections()
    eventually(lambda: len(client.measures(experiment)) >= 4)
    assert list(client.measures(experiment)["value"]) == [0, 1, 2, 3]


def test_what_was_not_confirmed_is_stored_once_however_often_it_is_sent(client, publisher, experiment):
    measures = [Measure(experiment, "hertz", number, 1_650_000_000 + number) for number in range(10)]
    with pytest.raises(NotPublished) as failed, Publisher("amqp://127.0.0.1:9/", reconnect_timeout=0.1) as nobody:
        nobody.publish_many(measures)
    assert failed.value.confirmed == []
    for _ in range(3):
        assert publisher.retry(failed.value) == failed.value.message_id
    publisher.publish(experiment, "volt", 1)
    eventually(lambda: len(client.measures(experiment, types="volt")) == 1)
    assert len(client.measures(experiment)) == 11


def test_mistakes_are_named_before_anything_is_sent(publisher):
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="value"):
            publisher.publish("device-vibrations", "hertz", value)
    with pytest.raises(ValueError, match="array"):
        publisher.publish_many([], array=10_001)


def test_a_wrong_account_and_a_missing_queue_are_final():
    with pytest.raises(Unreachable), Publisher(BROKER.replace("guest:guest", "guest:wrong")) as publisher:
        publisher.publish("device-vibrations", "hertz", 1)
    with pytest.raises(NotPublished, match="no queue"), Publisher(BROKER, routing_key="nowhere") as publisher:
        publisher.publish_many([Measure("device-vibrations", "hertz", 1)])
    with pytest.raises(NotPublished), Publisher("amqp://127.0.0.1:9/", reconnect_timeout=0.1) as publisher:
        publisher.publish("device-vibrations", "hertz", 1)


def test_a_rejection_comes_back_to_its_publisher(publisher, experiment):
    stored = publisher.publish(experiment, "hertz", 1)
    unknown = publisher.publish(f"{experiment}?", "hertz", 1)
    wrong = publisher.publish(experiment, "hertz", 1, "yesterday")
    found = {}
    eventually(lambda: found.update((each.message_id, each) for each in publisher.rejections(1)) or len(found) == 2)
    assert stored not in found
    assert found[unknown].reason == "unknown_experiment" and "experiment" in found[unknown].detail
    assert found[wrong].reason == "invalid_timestamp" and "timestamp" in found[wrong].detail
