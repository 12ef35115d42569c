#!/usr/bin/env python3
"""Runs elasticsearch/setup.sh against a stand-in for Elasticsearch.

The stand-in starts like Elasticsearch: it refuses connections, then answers 401 and 503 to the
right password. It must then receive every file, and a refusal must end the set-up. Called by
check-configuration.sh; the argument is the folder of the secrets.
"""

import http.server
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

FOLDER = pathlib.Path(__file__).resolve().parent / "elasticsearch"
PATHS = {"policies": "/_ilm/policy", "components": "/_component_template", "templates": "/_index_template", "roles": "/_security/role",
         "repositories": "/_snapshot", "snapshots": "/_slm/policy"}
refusals: list[int] = []
refused_path = None
requests: list[tuple[str, str]] = []


class Elasticsearch(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        requests.append((self.command, self.path))
        status = refusals.pop(0) if refusals else 400 if self.path == refused_path else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'{"error":"a reason"}' if status != 200 else b"{}")

    do_PUT = do_GET

    def log_message(self, *_):
        pass


def set_up(port: int, secrets: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"ELASTICSEARCH": f"http://127.0.0.1:{port}", "SECRETS": secrets, "no_proxy": "127.0.0.1"}
    return subprocess.run(["bash", FOLDER / "setup.sh"], env=environment, capture_output=True, text=True, timeout=120)


def main() -> None:
    global refused_path
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def start() -> None:
        time.sleep(1)
        http.server.ThreadingHTTPServer(("127.0.0.1", port), Elasticsearch).serve_forever()

    threading.Thread(target=start, daemon=True).start()
    # The last one is for the first PUT.
    refusals.extend([401, 503, 200, 503])
    done = set_up(port, sys.argv[1])
    assert done.returncode == 0, done.stderr
    expected = {f"{path}/{file.stem}" for folder, path in PATHS.items() for file in (FOLDER / folder).glob("*.json")}
    expected |= {f"/_security/user/{name}" for name in ("kibana_system/_password", "logstash_writer", "operator", "auditor")}
    seen = {path for method, path in requests if method == "PUT"}
    assert seen == expected and len(expected) > 12, seen ^ expected
    assert [method for method, _ in requests[:4]] == ["GET", "GET", "GET", "PUT"], requests[:5]
    refused_path = "/_security/role/mymonit-auditor"
    done = set_up(port, sys.argv[1])
    assert done.returncode != 0 and "status 400" in done.stderr and "a reason" in done.stderr, done
    assert ("PUT", "/_security/user/auditor") not in requests[requests.index(("PUT", refused_path), len(seen)):], "it went on after a refusal"


if __name__ == "__main__":
    main()
