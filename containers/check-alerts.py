#!/usr/bin/env python3
"""Runs Prometheus and Alertmanager with the stack's configuration.

Checks that alerts are delivered and resolved. The service is a stand-in that serves its metrics:
first its database is unreachable for a while, then the service stops. Only addresses and waiting
times differ from the stack: a minute is a second here. Called by check-configuration.sh; the
argument is an empty folder.
"""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time

CONTAINERS = pathlib.Path(__file__).resolve().parent
FOLDER = pathlib.Path(sys.argv[1]).resolve()
TIMEOUT = 60
webhook_alerts: list[dict] = []
mails: list[str] = []
database_ready = True


def free_port() -> int:
    """A port below those that Linux gives to outgoing connections."""
    while True:
        port = random.randrange(20000, 32768)
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Service(http.server.BaseHTTPRequestHandler):
    """The metrics that the alert rules use, of a service and a broker."""

    def do_GET(self):
        ready = int(database_ready)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(
            f'mymonit_ready{{part="database"}} {ready}\nmymonit_ready{{part="consumer"}} 1\n'
            'mymonit_listener{listener="rest"} 1\nmymonit_listener{listener="rabbit"} 1\n'.encode()
        )

    def log_message(self, *_):
        pass


class Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/hook?token=it's-secret":
            webhook_alerts.extend(sent["alerts"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class MailServer(socketserver.StreamRequestHandler):
    """As much SMTP as Alertmanager speaks."""

    def handle(self):
        self.wfile.write(b"220 mail\r\n")
        while line := self.rfile.readline():
            command = line[:4].upper().strip()
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                mail = b""
                while not mail.endswith(b"\r\n.\r\n"):
                    mail += self.rfile.readline()
                mails.append(mail.decode())
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
            if command == b"QUIT":
                return


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def serve(handler) -> Server:
    server = Server(("127.0.0.1", free_port()), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def port(server: Server) -> str:
    return f"127.0.0.1:{server.server_address[1]}"


def in_seconds(text: str) -> str:
    return re.sub(r"\b((?:for|interval|group_wait|group_interval): \d+)[ms]\b", r"\1s", text)


def replaced(text: str, part: str, by: str) -> str:
    assert text.count(part) == 1, f"{part} is there {text.count(part)} times"
    return text.replace(part, by)


def configure(service: Server, alertmanager_port: int, webhook: Server) -> None:
    (FOLDER / "rules").mkdir()
    rules = (CONTAINERS / "prometheus/rules/mymonit.yml").read_text()
    (FOLDER / "rules/mymonit.yml").write_text(in_seconds(rules))
    configuration = (CONTAINERS / "prometheus/prometheus.yml").read_text()
    names = "    dns_sd_configs:\n      - names: [app]\n        type: A\n        port: 9464\n"
    configuration = replaced(configuration, names, f"    static_configs:\n      - targets: ['{port(service)}']\n")
    configuration = replaced(configuration, "rabbit:15692", port(service))
    configuration = replaced(configuration, "alertmanager:9093", f"127.0.0.1:{alertmanager_port}")
    (FOLDER / "prometheus.yml").write_text(configuration.replace("_interval: 15s", "_interval: 1s"))
    shutil.copytree(CONTAINERS / "alertmanager", FOLDER / "alertmanager")
    routes = FOLDER / "alertmanager/alertmanager.yml"
    routes.write_text(re.sub(r"(group_wait|group_interval): \w+", r"\1: 2s", routes.read_text()))
    (FOLDER / "secrets").mkdir()
    (FOLDER / "secrets/alert_webhook_url").write_text(f"http://{port(webhook)}/hook?token=it's-secret")


@contextlib.contextmanager
def running(name: str, *command: object, **environment: str):
    log = FOLDER / f"{name}.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=FOLDER, env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        yield
    except BaseException:
        print(f"the end of the log of {name}:", log.read_text()[-3000:], sep="\n", file=sys.stderr)
        raise
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until(fact: str, condition) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"check-alerts: after {TIMEOUT} s it does not hold that {fact}; "
                             f"the webhook got {[(one['labels'], one['status']) for one in webhook_alerts]}")
        time.sleep(0.1)
    print(f"  holds: {fact}", flush=True)


def asked(address: str, path: str):
    connection = http.client.HTTPConnection(address, timeout=10)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        except (OSError, ValueError):
            return None


def delivered(alert: str, status: str) -> bool:
    return any(one["labels"]["alertname"] == alert and one["status"] == status for one in webhook_alerts)


def check(service: Server, prometheus: str, alertmanager: str) -> None:
    global database_ready
    both_up = "/api/v1/query?query=count(up==1)"
    wait_until("Prometheus scrapes the service and the broker", lambda: "2" in str((asked(prometheus, both_up) or {}).get("data")))
    wait_until("Alertmanager is ready", lambda: asked(alertmanager, "/api/v2/status"))
    assert not webhook_alerts, webhook_alerts
    database_ready = False
    wait_until("the webhook is called when the database is away", lambda: delivered("MyMonitNotReady", "firing"))
    wait_until("an e-mail says so", lambda: any("MyMonitNotReady" in mail and "To: operators@example.org" in mail for mail in mails))
    database_ready = True
    wait_until("the webhook receives the resolved alert", lambda: delivered("MyMonitNotReady", "resolved"))
    service.shutdown()
    service.server_close()
    wait_until("the webhook is called when the service is down", lambda: delivered("MyMonitDown", "firing"))

    def is_held_back() -> bool:
        alerts = asked(alertmanager, "/api/v2/alerts") or []
        return any(one["labels"]["alertname"] == "MyMonitProcessDown" and one["status"]["inhibitedBy"] for one in alerts)

    wait_until("the alert for its process is held back", is_held_back)
    assert not delivered("MyMonitProcessDown", "firing"), webhook_alerts


def main() -> None:
    service, webhook, mail_server = serve(Service), serve(Webhook), serve(MailServer)
    prometheus_port, alertmanager_port = free_port(), free_port()
    configure(service, alertmanager_port, webhook)
    with running(
        "alertmanager", "sh", FOLDER / "alertmanager/start.sh", "prometheus-alertmanager",
        f"--storage.path={FOLDER / 'alerts'}", "--cluster.listen-address=", f"--web.listen-address=127.0.0.1:{alertmanager_port}",
        ALERT_SECRETS=str(FOLDER / "secrets"), ALERT_CONFIGURATION=str(FOLDER / "alertmanager.yml"), ALERT_SMTP_TLS="false",
        ALERT_EMAIL_TO="operators@example.org", ALERT_EMAIL_FROM="mymonit@example.org", ALERT_SMTP_HOST=port(mail_server), HTTPS_PROXY="",
    ), running(
        "prometheus", "prometheus", f"--config.file={FOLDER / 'prometheus.yml'}", f"--storage.tsdb.path={FOLDER / 'series'}",
        f"--web.listen-address=127.0.0.1:{prometheus_port}",
    ):
        check(service, f"127.0.0.1:{prometheus_port}", f"127.0.0.1:{alertmanager_port}")


if __name__ == "__main__":
    main()
