"""Access to the stack by HTTPS, AMQPS, and the command line of the container engine."""

import base64
import contextlib
import http.client
import json
import os
import ssl
import subprocess
import threading
import time
import uuid

import pika

HTTPS_PORT = int(os.environ["HTTPS_PORT"].rsplit(":", 1)[-1])
KIBANA_PORT = int(os.environ["KIBANA_PORT"].rsplit(":", 1)[-1])
HTTP_PORT = int(os.environ["HTTP_PORT"].rsplit(":", 1)[-1])
AMQPS_PORT = int(os.environ["AMQPS_PORT"].rsplit(":", 1)[-1])
SECRETS = os.environ["SECRETS_DIR"]
PROJECT = os.environ["FIREBASE_PROJECT_ID"]
# The usernames of the example data.
USERNAMES = {
    "A001": "5MS0kr1nE5Qm7ZNzAyHNCVfapcf2",
    "S001": "uJayGH994iVa2TY5auSNYZoUpwk1",
    "S002": "hirbBCceXlWUGdpNHUpaNtworjm2",
}

# Every token that was made: none of them may be found in a log.
tokens_made = []


def secret(name):
    with open(os.path.join(SECRETS, name), encoding="utf-8") as file:
        return file.read()


def trust():
    return ssl.create_default_context(cafile=os.path.join(SECRETS, "tls_authority.pem"))


def run(*command, check=True, stdin=None, timeout=180):
    """What a command prints. What it complains of is shown if it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout if check else done


def compose(*arguments, **options):
    return run("docker", "compose", *arguments, **options)


def containers(service):
    return compose("ps", "--quiet", service).split()


def container_log(container):
    done = subprocess.run(["docker", "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    return done.stdout.decode(errors="replace")


def logs(service):
    return "".join(container_log(container) for container in containers(service))


def token(user, key="smoke/signer-key.pem", lifetime=3600, **changes):
    """An ID token as Firebase makes it, signed by the test's own key."""

    def encoded(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    now = int(time.time())
    header = {"alg": "RS256", "kid": "smoke", "typ": "JWT"}
    claims = {
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "aud": PROJECT,
        "sub": USERNAMES.get(user, user),
        "iat": now - 60,
        "auth_time": now - 60,
        "exp": now + lifetime,
        **changes,
    }
    signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", os.path.join(SECRETS, key)],
        input=signed.encode(), capture_output=True, check=True,
    ).stdout
    made = f"{signed}.{encoded(signature)}"
    tokens_made.append(made)
    return made


class Answer:
    """An answer that has been read to its end."""

    def __init__(self, response):
        self.body = response.read()
        self.status = response.status
        self.headers = response.headers

    def json(self):
        return json.loads(self.body)


def request(method, path, bearer=None, body=None, headers=None, timeout=30, port=HTTPS_PORT):
    """One request, on a connection of its own."""
    connection = http.client.HTTPSConnection("localhost", port, timeout=timeout, context=trust())
    with contextlib.closing(connection):
        headers = dict(headers or {})
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body=body, headers=headers)
        return Answer(connection.getresponse())


def broker(user, password):
    """A connection to the broker, as adapters have one."""
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            "localhost", AMQPS_PORT,
            credentials=pika.PlainCredentials(user, password),
            ssl_options=pika.SSLOptions(trust(), "localhost"),
            socket_timeout=5, stack_timeout=10, blocked_connection_timeout=30,
        )
    )


def message(value):
    return json.dumps(
        {"experiment": "device-vibrations", "measure": "hertz", "value": value, "timestamp": time.time()}
    )


def publish(channel, value, message_id=None):
    channel.basic_publish(
        "mymonit", "measures", message(value), mandatory=True,
        properties=pika.BasicProperties(delivery_mode=2, message_id=message_id or str(uuid.uuid4())),
    )


def values(bearer):
    """All values of experiment 1 but those of the example data, which are of 2022."""
    answer = request("GET", "/measures/1?from=2026-01-01T00:00:00Z", bearer, timeout=120)
    assert answer.status == 200, answer.body
    return [measure["value"] for measure in answer.json()]


def wait_until(what, condition, limit=120):
    deadline = time.monotonic() + limit
    while True:
        try:
            if condition():
                return
            seen = "not so"
        except Exception as error:  # whatever goes wrong on the way is what it is waited out for
            seen = repr(error)
        assert time.monotonic() < deadline, f"{what}: {seen}"
        time.sleep(0.2)


class Publisher(threading.Thread):
    """An adapter with publisher confirms; republishes unconfirmed messages with the same id."""

    def __init__(self, user, password, first, pause=0.005):
        super().__init__(daemon=True)
        self.user, self.password, self.pause = user, password, pause
        self.next = first
        self.confirmed = []
        self.breaks = 0
        self.stopping = threading.Event()

    def run(self):
        pending = None
        while not (self.stopping.is_set() and pending is None):
            try:
                with contextlib.closing(broker(self.user, self.password)) as connection:
                    channel = connection.channel()
                    channel.confirm_delivery()
                    while pending is not None or not self.stopping.is_set():
                        pending = pending or (self.next, str(uuid.uuid4()))
                        publish(channel, *pending)
                        self.confirmed.append(pending[0])
                        self.next += 1
                        pending = None
                        connection.sleep(self.pause)
            except (pika.exceptions.AMQPError, OSError):
                self.breaks += 1
                time.sleep(0.2)

    def finish(self):
        self.stopping.set()
        self.join(timeout=120)
        assert not self.is_alive(), "the publisher does not come to its end"


class Readers:
    """Clients that send requests all the time, below nginx's limits, and record the responses."""

    def __init__(self, requests, threads=3, pause=0.08):
        self.failures = []
        self.count = 0
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=self.ask, args=(requests, number, pause), daemon=True) for number in range(threads)
        ]

    def ask(self, requests, number, pause):
        turn = number
        while not self.stopping.is_set():
            method, path, bearer, make_body, expected = requests[turn % len(requests)]
            turn += 1
            try:
                answer = request(method, path, bearer, make_body() if make_body else None)
                if answer.status != expected:
                    self.failures.append((method, path, answer.status, answer.body[:200]))
            except Exception as error:  # a failed request is what it is about, whatever its kind
                self.failures.append((method, path, repr(error)))
            self.count += 1
            time.sleep(pause)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout=60)
