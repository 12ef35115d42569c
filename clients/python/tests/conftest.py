"""The service in evaluation mode, with the broker of MYMONIT_BROKER (scripts/python-client.sh)."""

import itertools
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
from mymonit import Client, Measure, Publisher

BINARY = os.environ["MYMONIT_BINARY"]
BROKER = os.environ["MYMONIT_BROKER"]
#: How long a test waits for an event, also on a stalled host.
TIMEOUT = 60


def free_port():
    """A port below those of outgoing connections."""
    for port in itertools.count(20_000 + os.getpid() % 5_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def eventually(check):
    """What a check gives once it gives something."""
    end = time.monotonic() + TIMEOUT
    while not (result := check()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
    return result


class Service:
    """A running service."""

    def __init__(self, folder, arguments, **environment):
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = folder / "mymonit.log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LOGSTASH_HOST": "",
            "METRICS_PORT": "0",
            "REST_HOST": "127.0.0.1",
            "REST_PORT": self.url.rsplit(":", 1)[1],
            **environment,
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [BINARY, *arguments], cwd=folder, env=self.environment, stdout=log, stderr=log
            )
        eventually(self.is_ready)

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready") as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError):
            return False

    def token(self, user_id):
        run = subprocess.run(
            [BINARY, "token", user_id],
            cwd=self.folder,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return run.stdout.strip()

    def stop(self):
        self.process.terminate()
        self.process.wait(TIMEOUT)


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """A service in evaluation mode with the example data, and what other tests add to it."""
    service = Service(tmp_path_factory.mktemp("service"), ["serve", "--evaluation"], RABBIT_URL=BROKER)
    yield service
    service.stop()


@pytest.fixture
def client(service):
    """S001, who may read device-vibrations."""
    with Client(service.url, service.token("S001")) as client:
        yield client


@pytest.fixture
def publisher():
    with Publisher(BROKER, reconnect_timeout=TIMEOUT) as publisher:
        yield publisher


class Administrator:
    """A001."""

    def __init__(self, service):
        self.url, self.token = service.url, service.token("A001")

    def send(self, method, path, document=None):
        import requests

        headers = {"Authorization": f"Bearer {self.token}"}
        response = requests.request(method, self.url + path, json=document, headers=headers, timeout=TIMEOUT)
        response.raise_for_status()
        return response.json() if response.content else None


@pytest.fixture(scope="session")
def administrator(service):
    return Administrator(service)


_numbers = itertools.count(1)


@pytest.fixture
def experiment(administrator):
    """The name of an experiment of its own, which S001 may read."""
    made = administrator.send("POST", "/experiments/", {"name": f"experiment {next(_numbers)}"})
    administrator.send("POST", f"/scientists-experiments/{made['experiment_id']}/S001")
    return made["name"]


def many(experiment, count, types):
    """Measures of these types in turn, one a second."""
    return (
        Measure(experiment, types[number % len(types)], number + 0.5, 1_650_000_000 + number)
        for number in range(count)
    )


def publish_and_wait(publisher, client, measures):
    """Publishes measures of one experiment and waits until all of them can be read."""
    measures = list(measures)
    publisher.publish_many(measures, array=10_000)
    name = measures[0].experiment

    def all_are_in():
        frame = client.measures(name, window="10000d")
        return frame["count"].sum() == len(measures)

    eventually(all_are_in)


class CuttingProxy:
    """Passes on what the service sends, and resets the connection after so many bytes."""

    def __init__(self, url, limit):
        self._target = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        self._limit = limit
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        connection, _ = self._listener.accept()
        with connection, socket.create_connection(self._target) as service:
            service.sendall(connection.recv(65_536))
            left = self._limit
            while left > 0 and (piece := service.recv(min(left, 65_536))):
                connection.sendall(piece)
                left -= len(piece)

    def close(self):
        self._listener.close()
