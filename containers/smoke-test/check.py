#!/usr/bin/env python3
"""Tests a running stack from outside and reports each check. Run by containers/smoke-test.sh."""

import contextlib
import glob
import hashlib
import http.client
import itertools
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import time
import uuid
import warnings

import pika
from site_under_test import (  # noqa: I001
    AMQPS_PORT, HTTPS_PORT, HTTP_PORT, KIBANA_PORT, PROJECT, SECRETS, USERNAMES, Answer, Publisher, Readers, broker, compose, container_log, containers, logs, message, publish,
    request, run, secret, token, tokens_made, trust, values, wait_until,
)

# That old versions of TLS are refused can be tried only by naming them.
warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*TLS")

FAILED = []


def holds(fact, condition, seen=""):
    print(f"  {'holds' if condition else 'DOES NOT HOLD'}: {fact}{'' if condition else f' – seen: {seen}'}", flush=True)
    if not condition:
        FAILED.append(fact)


def part(title):
    print(f"{title}", flush=True)


def refused(action, *errors):
    try:
        action()
    except errors:
        return True
    return False


def add_adapter(name):
    shown = run("./run.sh", "adapter", name)
    return name, re.search(r"RABBIT_PASSWORD=(\S+)", shown).group(1)


def tls_version(port, version):
    """Whether a handshake of exactly this version succeeds."""
    context = trust()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    try:
        with socket.create_connection(("localhost", port), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname="localhost"):
                return True
    except (ssl.SSLError, OSError):
        return False


def publish_read_refuse(adapter):
    part("A measure goes in by AMQPS and comes out by HTTPS")
    reader = token("S001")
    with contextlib.closing(broker(*adapter)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        begun = time.monotonic()
        publish(channel, 0.5)
        wait_until("the measure can be read", lambda: 0.5 in values(reader), 10)
        print(f"  published, stored and read by polling within {(time.monotonic() - begun) * 1000:.0f} ms")
        publish(channel, 1.5, "the-same")
        publish(channel, 1.5, "the-same")
        wait_until("the second measure can be read", lambda: 1.5 in values(reader), 10)
        time.sleep(1)
        holds("a message that is published twice with one id is stored once", values(reader).count(1.5) == 1)

    part("What is not allowed is refused")
    for fact, status, path, bearer in [
        ("no token: 401", 401, "/measures/1", None),
        ("a token of another key: 401", 401, "/measures/1", token("S001", key="smoke/other-key.pem")),
        ("an expired token: 401", 401, "/measures/1", token("S001", lifetime=-30)),
        ("a token of another project: 401", 401, "/measures/1", token("S001", aud="another")),
        ("an administrator reads no measures: 403", 403, "/measures/1", token("A001")),
        ("a scientist does not see an experiment of others: 404", 404, "/measures/2", reader),
        ("a scientist lists no users: 403", 403, "/users/", reader),
        ("a valid token of an unknown user: 403", 403, "/users/me", token("nobody")),
        ("the metrics are not here: 404", 404, "/metrics", None),
    ]:
        answer = request("GET", path, bearer)
        holds(fact, answer.status == status and answer.headers["Content-Type"] == "application/problem+json",
              (answer.status, answer.body))
    holds("a body of 3 MB is refused in the words of the contract",
          (answer := request("POST", "/experiments/", token("A001"), b"x" * 3_000_000)).status == 413
          and answer.json()["code"] == "payload_too_large", answer.body[:200])
    for fact, do in [
        ("an adapter cannot read the queue", lambda channel: channel.basic_consume("measures", lambda *_: None)),
        ("an adapter cannot declare a queue", lambda channel: channel.queue_declare("mine")),
        ("an adapter cannot publish past the exchange", lambda channel: past_the_exchange(channel)),
        ("an adapter cannot purge the queue", lambda channel: channel.queue_purge("measures")),
    ]:
        with contextlib.closing(broker(*adapter)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            holds(fact, refused(lambda: do(channel), pika.exceptions.ChannelClosedByBroker))
    wrong = (pika.exceptions.ProbableAuthenticationError, pika.exceptions.AMQPConnectionError)
    holds("the broker refuses a wrong password", refused(lambda: broker(adapter[0], "wrong"), *wrong))
    holds("the broker knows no guest", refused(lambda: broker("guest", "guest"), *wrong))
    monitoring = ("monitoring", secret("rabbit_monitoring_password"))
    with contextlib.closing(broker(*monitoring)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        holds("the monitoring account cannot publish",
              refused(lambda: publish(channel, 99.5), pika.exceptions.ChannelClosedByBroker))


def past_the_exchange(channel):
    channel.basic_publish("", "measures", message(99.5))


def doors():
    part("The doors")
    with contextlib.closing(http.client.HTTPConnection("localhost", HTTP_PORT, timeout=10)) as plain:
        plain.request("GET", "/measures/1?limit=1")
        answer = plain.getresponse()
        holds("plain HTTP is sent to HTTPS, path and query as they are",
              answer.status == 308 and answer.headers["Location"] == f"https://localhost:{HTTPS_PORT}/measures/1?limit=1",
              (answer.status, answer.headers["Location"]))
    answer = request("GET", "/health/live")
    holds("HSTS and the service's security headers", "max-age=" in (answer.headers["Strict-Transport-Security"] or "")
          and answer.headers["X-Content-Type-Options"] == "nosniff" and "Content-Security-Policy" in answer.headers,
          dict(answer.headers))
    answer = request("GET", "/static/index.html")
    holds("the page comes with a policy of its own", answer.status == 200 and b"<title>MyMONIT" in answer.body
          and "script-src" in answer.headers["Content-Security-Policy"], (answer.status, answer.body[:200]))
    holds("the server does not say its version", answer.headers["Server"] == "nginx", answer.headers["Server"])
    for name, port in [("nginx", HTTPS_PORT), ("the broker", AMQPS_PORT)]:
        held = [tls_version(port, version) for version in
                (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)]
        holds(f"{name} speaks TLS 1.2 and 1.3, not 1.1", held == [False, True, True], held)
    with socket.create_connection(("localhost", AMQPS_PORT), timeout=10) as plain:
        plain.sendall(b"AMQP\x00\x00\x09\x01")
        with contextlib.suppress(OSError):
            answered = plain.recv(8)
        holds("the broker's port answers nothing to AMQP without TLS", not answered.startswith((b"AMQP", b"\x01")), answered)
    answer = request("GET", "/", port=KIBANA_PORT)
    holds("Kibana's port answers by HTTPS that no Kibana runs", answer.status == 503 and b"Kibana" in answer.body, answer.body)
    holds("the page's origin has no Kibana", request("GET", "/kibana/").status == 404)

    mark = str(uuid.uuid4())
    request("GET", "/users/me", headers={"X-Request-Id": mark, "X-Forwarded-For": "9.9.9.9", "Forwarded": "for=9.9.9.9"})
    lines = [json.loads(line) for line in logs("app").splitlines() if mark in line]
    seen = {line.get("source.ip") for line in lines if line.get("event.dataset") == "mymonit.audit"}
    holds("the audit names the address that nginx saw, whatever the client claims", len(seen) == 1 and None not in seen
          and "9.9.9.9" not in seen, seen)
    access = [json.loads(line) for line in logs("nginx").splitlines() if mark in line]
    holds("nginx logs JSON with the request's id and the same address",
          len(access) == 1 and access[0]["source.ip"] in seen and access[0]["http.response.status_code"] == 401, access)

    connection = http.client.HTTPSConnection("localhost", HTTPS_PORT, timeout=30, context=trust())
    with contextlib.closing(connection):
        limited, bearer = None, token("somebody")
        for _ in range(2000):
            # The limit of a user is below that of an address, so this passes on a slow machine.
            connection.request("GET", "/health/live", headers={"Authorization": f"Bearer {bearer}"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status == 429:
                limited = (answer.headers["Content-Type"], answer.headers["Retry-After"], json.loads(body)["code"])
                break
    holds("too many requests are refused as the contract says",
          limited == ("application/problem+json", "1", "too_many_requests"), limited)
    time.sleep(3)


def under_load(adapter):
    part("Each container restarted in turn while measures come in and are read")
    reader = token("S001")
    publisher = Publisher(*adapter, first=1000)
    publisher.start()
    wait_until("the load has begun", lambda: len(publisher.confirmed) > 100)
    for service, signal in itertools.product(["app", "rabbit", "mysql", "nginx"], ["TERM", "KILL"]):
        before = len(publisher.confirmed)
        if signal == "TERM":
            run("docker", "restart", "--time", "60", *containers(service))
        else:
            killed = containers(service)
            run("docker", "kill", *killed)
            run("docker", "start", *killed)
        begun = time.monotonic()
        # The complete path: published, confirmed, stored and read.
        wait_until(f"measures come through again after {service} was ended by SIG{signal}",
                   lambda: len(publisher.confirmed) > before + 50
                   and request("GET", "/health/ready").status == 200
                   and publisher.confirmed[-1] - request("GET", "/measures/1?limit=1", reader).json()[0]["value"] < 200)
        print(f"  {service} ended by SIG{signal}: through again {time.monotonic() - begun:.1f} s after it was started")
    publisher.finish()
    wait_until("the queue is empty", lambda: queued() == 0, 60)
    stored = [value for value in values(reader) if value >= 1000]
    holds(f"all {len(publisher.confirmed)} confirmed measures are stored, each once (the publisher had to connect "
          f"{publisher.breaks} times again)", sorted(stored) == sorted(publisher.confirmed),
          (len(stored), len(set(stored)), len(publisher.confirmed)))
    holds("no message was rejected on the way", request("GET", "/rejected-messages/", token("A001")).json() == [])


def queued():
    listed = compose("exec", "--no-TTY", "rabbit", "rabbitmqctl", "--quiet", "list_queues", "name", "messages",
                     "--formatter", "json")
    return sum(queue["messages"] for queue in json.loads(listed))


def traffic():
    """Load while processes restart: reads, and changes, which must not be sent twice."""
    administrator, scientist = token("A001"), token("S001")

    def experiment():
        return json.dumps({"name": f"scale-{uuid.uuid4()}"}).encode()

    return Readers([
        ("GET", "/measures/1?limit=100", scientist, None, 200),
        ("POST", "/experiments/", administrator, experiment, 201),
        ("GET", "/users/me", scientist, None, 200),
    ])


def opened_by(service):
    """How many connections the processes of a container have opened so far."""
    pid = json.loads(run("docker", "inspect", containers(service)[0]))[0]["State"]["Pid"]
    with open(f"/proc/{pid}/net/snmp", encoding="utf-8") as file:
        names, numbers = (line.split() for line in file if line.startswith("Tcp:"))
    return int(numbers[names.index("ActiveOpens")])


def kept_connections():
    part("Connections from nginx to the service")
    bearer, number = token("S001"), 200
    connection = http.client.HTTPSConnection("localhost", HTTPS_PORT, timeout=30, context=trust())
    with contextlib.closing(connection):
        before = opened_by("nginx")
        for _ in range(number):
            connection.request("GET", "/users/me", headers={"Authorization": f"Bearer {bearer}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            # Below the limits.
            time.sleep(0.02)
    opened = opened_by("nginx") - before
    holds(f"{number} requests one after the other take less than a quarter of that of connections ({opened})",
          opened < number / 4, opened)


def asked(query):
    """The series that Prometheus has for a query, with their values."""
    answer = compose("exec", "--no-TTY", "prometheus", "promtool", "query", "instant", "--format", "json",
                     "http://127.0.0.1:9090", query)
    return {tuple(sorted(series["metric"].items())): float(series["value"][1]) for series in json.loads(answer)}


def firing():
    return {dict(labels)["alertname"] for labels in asked('ALERTS{alertstate="firing"}')}


def observed(adapter):
    part("What Prometheus sees, by the stack's own configuration")
    run("./run.sh", "scale", "2")
    wait_until("Prometheus reads both processes of the service", lambda: len(asked('up{job="mymonit"} == 1')) == 2)
    holds("every process of the service is read", True)
    wait_until("Prometheus knows of the queue", lambda: asked('rabbitmq_detailed_queue_messages{queue="measures"}'))
    holds("the broker tells of the queue", True)
    with contextlib.closing(broker(*adapter)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        publish(channel, 66.5)
    # Read within 15 seconds, and recorded within a minute of that.
    wait_until("the recorded series is there", lambda: asked("mymonit:experiment_last_stored_timestamp_seconds:max2d"), 180)
    holds("its recording rule gives when each experiment sent last", True)
    holds("no alert fires while all is well", not firing(), firing())
    with contextlib.closing(broker(*adapter)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("mymonit", "measures", "no measure", mandatory=True)
    wait_until("a rejected message raises the alert", lambda: firing() == {"MyMonitMessagesRejected"}, 180)
    holds("a rejected message raises the alert for it", True)
    administrator = token("A001")
    for kept in request("GET", "/rejected-messages/", administrator).json():
        request("DELETE", f"/rejected-messages/{kept['id']}", administrator)
    run("docker", "stop", "--time", "15", *containers("app"))
    wait_until("a service that is down raises the alert", lambda: "MyMonitDown" in firing(), 240)
    holds("a service of which no process answers raises the alert for it", True)
    compose("up", "--detach", "--no-build", "--no-deps", "--scale", "app=1", "app")
    wait_until("the stack answers", lambda: request("GET", "/health/ready").status == 200)
    wait_until("the alert ends", lambda: "MyMonitDown" not in firing(), 180)
    holds("which ends when one answers again", True)
    sent = compose("exec", "--no-TTY", "alertmanager", "amtool", "--alertmanager.url=http://127.0.0.1:9093", "alert", "query", "--output", "json",
                   check=False).stdout
    holds("Alertmanager got the alerts", "MyMonit" in sent, sent)
    holds("a test alert is sent by one command", "sent MyMonitTest" in run("./run.sh", "test-alert"))


def scaling():
    part("Two processes of the service")
    with traffic() as clients:
        wait_until("requests flow", lambda: clients.count > 20)
        run("./run.sh", "scale", "2")
        lines_before = {id_: lines_of(id_) for id_ in containers("app")}
        before = clients.count
        wait_until("requests flow", lambda: clients.count > before + 80)
        served = {id_: lines_of(id_) - lines_before[id_] for id_ in containers("app")}
        holds("both of them answer", len(served) == 2 and all(count > 10 for count in served.values()), served)
        gone = containers("app")[0]
        run("docker", "stop", "--time", "15", gone)
        run("docker", "rm", gone)
        before = clients.count
        wait_until("requests flow", lambda: clients.count > before + 100)
    holds(f"one added, one of the two taken down: none of {clients.count} requests failed, a third of them changes",
          not clients.failures, clients.failures[:5])
    with traffic() as clients:
        wait_until("requests flow", lambda: clients.count > 20)
        run("./run.sh", "upgrade", "--no-build", "--no-backup", "--rolling")
        before = clients.count
        wait_until("requests flow", lambda: clients.count > before + 50)
    holds(f"a rolling upgrade: none of {clients.count} requests failed", not clients.failures, clients.failures[:5])
    before = sorted(values(token("S001")))
    shown = run("./run.sh", "upgrade", "--no-build")
    away = re.search(r"the service was away for (\d+) s", shown)
    holds("an upgrade backs up first, and says how long the service was away", "saved " in shown and away, shown)
    print(f"  {away and away[0]}")
    wait_until("the stack answers", lambda: request("GET", "/health/ready").status == 200)
    holds("every measure is there after it", sorted(values(token("S001"))) == before)


def lines_of(container):
    return len(container_log(container).splitlines())


def every_container():
    return {
        inspected["Config"]["Labels"]["com.docker.compose.service"]: inspected
        for id_ in compose("ps", "--quiet").split()
        for inspected in json.loads(run("docker", "inspect", id_))
    }


def nothing_else_open(stack):
    part("What should not be reachable")
    published = {
        (service, port) for service, inspected in stack.items()
        for port, bindings in inspected["NetworkSettings"]["Ports"].items() if bindings
    }
    holds("published are nginx's three ports and the broker's TLS port, and nothing else",
          published == {("nginx", "8443/tcp"), ("nginx", "8080/tcp"), ("nginx", "5601/tcp"), ("rabbit", "5671/tcp")}, published)

    def reaches(service, host, port):
        script = f"exec 3<>/dev/tcp/{host}/{port}"
        return compose("exec", "--no-TTY", service, "timeout", "3", "bash", "-c", script, check=False).returncode == 0

    holds("nginx reaches the service (so that the next facts mean something)", reaches("nginx", "app", 5000))
    for service, host, port in [
        ("nginx", "mysql", 3306), ("nginx", "rabbit", 5672), ("nginx", "rabbit", 15672), ("rabbit", "mysql", 3306),
        ("mysql", "rabbit", 5672), ("mysql", "nginx", 8443), ("mysql", "www.debian.org", 80),
    ]:
        holds(f"{service} does not reach {host}:{port}", not reaches(service, host, port))
    for path in ["/metrics", "/nginx_status", "/server-status", "/api/overview", "/.git/config", "/_cat/indices",
                 "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"]:
        answer = request("GET", path)
        holds(f"{path} is nothing", answer.status in (400, 404), answer.status)


def no_privileges(stack):
    part("No privileges")
    for service, inspected in stack.items():
        with open(f"/proc/{inspected['State']['Pid']}/status", encoding="utf-8") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        capabilities = {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
        holds(f"{service}: user {status['Uid'].split()[0]}, no capability, none to be had, read-only root, memory limit",
              "0" not in status["Uid"].split() and {int(value, 16) for value in capabilities} == {0}
              and status["NoNewPrivs"] == "1" and inspected["HostConfig"]["ReadonlyRootfs"]
              and inspected["HostConfig"]["Memory"] > 0 and not inspected["HostConfig"]["Privileged"], status)


def no_shell():
    holds("the service's image has no shell",
          compose("exec", "--no-TTY", "app", "/bin/sh", "-c", "true", check=False).returncode != 0)


def no_secrets(stack, more):
    part("No secret where others see it")
    secrets = {os.path.basename(path): secret(path) for path in glob.glob(f"{SECRETS}/*") if os.path.isfile(path)}
    # Certificates are public; rabbit_accounts.json holds salted hashes.
    for name in ("tls_certificate.pem", "tls_authority.pem", "mysql_certificate.pem", "mysql_authority.pem", "logstash_certificate.pem", "logstash_authority.pem", "outgoing_authorities.pem"):
        secrets.pop(name)
    # Optional ones are empty.
    secrets = {name: value for name, value in secrets.items() if value.strip()}
    secrets |= {f"token {number}": made for number, made in enumerate(tokens_made)} | more
    places = {f"the log of {service}": logs(service) for service in stack}
    for service, inspected in stack.items():
        places[f"docker inspect {service}"] = json.dumps(inspected)
        places[f"the image history of {service}"] = run("docker", "history", "--no-trunc", inspected["Image"])
        with open(f"/proc/{inspected['State']['Pid']}/environ", encoding="utf-8", errors="replace") as file:
            places[f"the environment of {service}"] = file.read()
        with open(f"/proc/{inspected['State']['Pid']}/cmdline", encoding="utf-8", errors="replace") as file:
            places[f"the arguments of {service}"] = file.read()
    for folder in ["nginx:/var/log/nginx", "mysql:/var/log/mysql", "rabbit:/var/log/rabbitmq"]:
        service, path = folder.split(":")
        places[f"the log files of {service}"] = compose("exec", "--no-TTY", service, "bash", "-c", f"cat {path}/*")
    found = [(name, place) for name, value in secrets.items() for place, text in places.items() if value.strip() in text]
    holds(f"none of {len(secrets)} secrets and tokens is in {len(places)} places", not found, found)


def backup_and_restore(adapter):
    part("Backup, loss of everything, restore")
    reader, folder = token("S001"), os.environ["BACKUP_FOLDER"]
    before = sorted(values(reader))
    users = request("GET", "/users/", token("A001")).json()
    run("containers/backup.sh", folder)
    backup = max(glob.glob(f"{folder}/*"))
    print(f"  backup of {len(before)} measures: {', '.join(sorted(os.listdir(backup)))}")
    with contextlib.closing(broker(*adapter)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        publish(channel, 77.5)
    wait_until("what came after the backup is there", lambda: 77.5 in values(reader), 10)
    compose("down", "--volumes")
    compose("up", "--detach", "--no-build", "keys", "nginx", timeout=600)
    wait_until("the new, empty stack answers", lambda: request("GET", "/health/ready").status == 200)
    holds("everything is gone", values(reader) == [])
    holds("the adapter is gone", refused(lambda: broker(*adapter), pika.exceptions.AMQPConnectionError))
    run("containers/restore.sh", backup, "--yes", timeout=600)
    wait_until("the restored stack answers", lambda: request("GET", "/health/ready").status == 200)
    holds("every measure of the backup is there again, and nothing else", sorted(values(reader)) == before)
    holds("every user is there again", request("GET", "/users/", token("A001")).json() == users)
    with contextlib.closing(broker(*adapter)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        publish(channel, 88.5)
    wait_until("the adapter publishes with its old password", lambda: 88.5 in values(reader), 10)
    holds("what is published after the restore is stored", True)


OLD_MEASURES = 50_000


def previous_release():
    """SQL that replaces the database by one of the previous release.

    It has migrations 1 to 5, data, and one account for rows and schema.
    """
    files = sorted(pathlib.Path("migrations/mysql").glob("*.sql"))[:5]
    applied = ", ".join(
        f"({number}, '{file.stem[5:].replace('_', ' ')}', TRUE, X'{hashlib.sha384(file.read_bytes()).hexdigest()}', 0)"
        for number, file in enumerate(files, 1))
    body = json.dumps({"experiment": "black-holes", "measure": "hertz", "value": 7.5, "timestamp": 1.8e9})
    return "\n".join([
        "DROP DATABASE my_monit; CREATE DATABASE my_monit CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; USE my_monit;",
        *(file.read_text(encoding="utf-8") for file in files),
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,"
        " success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);",
        f"INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES {applied};",
        "INSERT INTO ONE_TIME_STEPS (NAME, DONE_AT) VALUES ('example_data', 1);",
        "INSERT INTO USERS (ID, NAME, USERNAME, EMAIL, EMAIL_KEY, ROLE) VALUES"
        f" ('A001', 'Ada Before', '{USERNAMES['A001']}', 'ada@example.org', 'ada@example.org', 1),"
        f" ('S001', 'Zoë Before', '{USERNAMES['S001']}', 'Zoe@example.org', 'zoe@example.org', 2);",
        "INSERT INTO EXPERIMENTS (ID, NAME) VALUES (1, 'device-vibrations'); INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) VALUES ('S001', 1);",
        f"SET SESSION cte_max_recursion_depth = {OLD_MEASURES};",
        f"INSERT INTO MEASURES (TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) WITH RECURSIVE S (N) AS (SELECT 1 UNION ALL SELECT N + 1 FROM S WHERE N < {OLD_MEASURES})"
        " SELECT 1, 1800000000000000000 + (N * 7919 % 10007) * 1000000000, 1, N + 0.25 FROM S;",
        "INSERT INTO MESSAGE_IDS (MESSAGE_ID, SEEN_AT) VALUES ('of-before', UNIX_TIMESTAMP() * 1000000000), ('rejected-before', NULL);",
        "INSERT INTO REJECTED_MESSAGES (ID, REASON, DETAIL, RECEIVED_AT, MESSAGE_ID, PROPERTIES, SIZE) VALUES"
        f" (3, 'unknown_experiment', 'before', 1800000000000000000, 'rejected-before', '{{}}', {len(body)});",
        f"INSERT INTO REJECTED_MESSAGE_BODIES (REJECTED_MESSAGE_ID, CHUNK, BODY) VALUES (3, 0, '{body}');",
        "DROP USER migration@'%'; GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON my_monit.* TO mymonit@'%';",
    ])


def in_database(sql, account="root"):
    """What a statement prints."""
    password = "mysql_root_password" if account == "root" else "mysql_service_password"
    client = f"MYSQL_PWD=$(cat /run/secrets/{password}) exec mysql --user={account} --host=127.0.0.1 --ssl-mode=REQUIRED --default-character-set=utf8mb4 --skip-column-names my_monit"
    if account == "root":
        client = client.replace("--host=127.0.0.1 --ssl-mode=REQUIRED ", "")
    return compose("exec", "--no-TTY", "mysql", "bash", "-c", client, stdin=sql, check=False, timeout=600)


def upgrade_of_the_previous_release(adapter):
    part("An upgrade of a database of the previous release, with data in it")
    done = in_database(previous_release())
    assert done.returncode == 0, done.stderr
    shown = run("./run.sh", "upgrade", "--no-build", timeout=900)
    away = re.search(r"the service was away for (\d+) s", shown)
    holds("it backs up first, and says how long the service was away", "saved " in shown and away, shown)
    print(f"  {OLD_MEASURES} measures: {away and away[0]}")
    wait_until("the stack answers", lambda: request("GET", "/health/ready").status == 200)
    administrator, reader = token("A001"), token("S001")
    of_before = sorted(number + 0.25 for number in range(1, OLD_MEASURES + 1))
    holds("every measure of before is there, once", sorted(values(reader)) == of_before)
    users = {user["user_id"]: user["name"] for user in request("GET", "/users/", administrator).json()}
    holds("the users of before are there", users == {"A001": "Ada Before", "S001": "Zoë Before"}, users)
    kept = request("GET", "/rejected-messages/3", administrator)
    holds("the rejected message of before is there with its body", kept.status == 200 and '"value": 7.5' in kept.json()["body"], kept.body)
    denied = in_database("ALTER TABLE USERS ADD COLUMN X INT", "mymonit")
    holds("the service's account may not change the schema any more", denied.returncode != 0 and "denied" in denied.stderr, denied.stderr)
    with contextlib.closing(broker(*adapter)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        publish(channel, 5.5, "of-before")
        publish(channel, 6.5)
    wait_until("what is published after the upgrade is there", lambda: 6.5 in values(reader), 20)
    holds("a message id of before is known", 5.5 not in values(reader))
    backup = max(glob.glob(f"{os.environ['BACKUP_FOLDER']}/*"))
    run("containers/restore.sh", backup, "--yes", timeout=600)
    wait_until("the restored stack answers", lambda: request("GET", "/health/ready").status == 200)
    holds("a backup of the previous release is restored and brought up to date", sorted(values(reader)) == of_before)


def administrator():
    part("The first administrator")
    run("./run.sh", "administrator", "A900", "Zoë O'Hara", "Zoe@Example.org", "uid-of-zoe")
    answer = request("GET", "/users/me", token("uid-of-zoe"))
    holds("is made by run.sh, and may list users", answer.status == 200 and answer.json()["name"] == "Zoë O'Hara"
          and request("GET", "/users/", token("uid-of-zoe")).status == 200, answer.body)
    answer = request("POST", "/users/", token("uid-of-zoe"), json.dumps(
        {"user_id": "S900", "name": "x", "username": "y", "email": "zoe@example.ORG", "role": "SCIENTIST"}).encode())
    holds("has an e-mail address that no other user can take", answer.status == 409, (answer.status, answer.body))


def evaluation():
    part("The evaluation mode")
    bearer = compose("exec", "--no-TTY", "evaluation", "/usr/bin/mymonit", "token", "S001").strip()

    def asked_here(path):
        connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["EVALUATION_PORT"]), timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": f"Bearer {bearer}"})
            return Answer(connection.getresponse())

    holds("a token of its own reads the example data", len(asked_here("/measures/1").json()) == 10)
    holds("the page is there", b"<title>MyMONIT" in asked_here("/static/index.html").body)
    guest = pika.ConnectionParameters("127.0.0.1", int(os.environ["EVALUATION_AMQP_PORT"]))
    with contextlib.closing(pika.BlockingConnection(guest)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        publish(channel, 2.2)
    wait_until("the measure can be read", lambda: len(asked_here("/measures/1").json()) == 11, 10)
    holds("a measure that is published on this machine can be read", True)
    compose("restart", "evaluation")
    wait_until("it is ready again", lambda: asked_here("/health/ready").status == 200)
    holds("data and tokens outlive a restart", len(asked_here("/measures/1").json()) == 11)
    stack = {name: inspected for name, inspected in every_container().items() if name.startswith("evaluation")}
    published = {binding["HostIp"] for inspected in stack.values()
                 for bindings in inspected["NetworkSettings"]["Ports"].values() for binding in bindings or []}
    holds("it can be reached from this machine alone", published == {"127.0.0.1"}, published)
    no_privileges(stack)


def stack_for_production():
    wait_until("the stack answers", lambda: request("GET", "/health/ready").status == 200)
    # The first token is verified when the keys have been fetched.
    wait_until("tokens are verified", lambda: request("GET", "/users/me", token("A001")).status == 200)
    adapter = add_adapter(f"smoke-{uuid.uuid4()}")
    publish_read_refuse(adapter)
    doors()
    administrator()
    kept_connections()
    under_load(adapter)
    scaling()
    observed(adapter)
    stack = every_container()
    nothing_else_open(stack)
    no_privileges(stack)
    no_shell()
    no_secrets(stack, {"the adapter's password": adapter[1]})
    backup_and_restore(adapter)
    upgrade_of_the_previous_release(adapter)


def main():
    {"stack": stack_for_production, "evaluation": evaluation}[sys.argv[1]]()
    if FAILED:
        print(f"{len(FAILED)} facts do not hold:", *FAILED, sep="\n  ")
        sys.exit(1)


if __name__ == "__main__":
    main()
