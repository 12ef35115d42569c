"""Fuzzes a running service with requests generated from its OpenAPI document.

The callers are an administrator, a scientist, and a program with the scientist's API token.

Usage: run.py URL MYMONIT [REQUESTS]

MYMONIT is the binary whose `token` command makes the tokens, run in this working folder. Without
REQUESTS, a short run makes the same requests each time; with it, runs with new requests are
repeated up to that number.
"""

import json
import os
import re
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# Requests for each operation, method and kind of data; enough for the short run to take less than
# half a minute for each role.
SHORT, LONG = 30, 100
SEED = 2022
USERS = {"ADMIN": "FUZZ-A", "SCIENTIST": "FUZZ-S"}
# The role of a program with an API token.
PROGRAM = "PROGRAM"


class Service:
    def __init__(self, url, program):
        self.url, self.program = url, program

    def token(self, user_id):
        run = subprocess.run([self.program, "token", user_id], check=True, capture_output=True, text=True)
        return run.stdout.strip()

    def api_token(self, user_id):
        """A new API token of the user; those of runs before are revoked."""
        token = self.token(user_id)
        for old in self.ask(token, "GET", "/users/me/tokens/"):
            expect(self.send(token, "DELETE", f"/users/me/tokens/{old['token_id']}"), 204)
        return self.ask(token, "POST", "/users/me/tokens/", {"name": "fuzzer"})["secret"]

    def ask(self, token, method, path, body=None):
        """The JSON of an answer."""
        with urllib.request.urlopen(self.request(token, method, path, body)) as answer:
            return json.load(answer)

    def request(self, token, method, path, body=None):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.Request(self.url + path, data, headers, method=method)

    def send(self, token, method, path, body=None):
        """The status of an answer."""
        try:
            with urllib.request.urlopen(self.request(token, method, path, body)) as answer:
                return answer.status
        except urllib.error.HTTPError as refusal:
            return refusal.code

    def add_users(self):
        """Adds the users of the run, unless an earlier run has added them."""
        administrator = self.token("A001")
        for role, user_id in USERS.items():
            user = {
                "user_id": user_id,
                "name": "Fuzzer",
                "username": f"uid-{user_id}",
                "email": f"{user_id}@home.cern",
                "role": role,
            }
            expect(self.send(administrator, "POST", "/users/", user), 201, 409)

    def associate(self):
        """Associates the scientist, whom an earlier run may have dissociated."""
        administrator = self.token(USERS["ADMIN"])
        expect(self.send(administrator, "POST", f"/scientists-experiments/1/{USERS['SCIENTIST']}"), 201, 409)


def expect(status, *allowed):
    if status not in allowed:
        sys.exit(f"fuzzing: one of {allowed} was expected, not {status}")


def fuzz(service, role, requests, seed):
    """One run; gives how many requests it made."""
    service.associate()
    token = service.api_token(USERS["SCIENTIST"]) if role == PROGRAM else service.token(USERS[role])
    print(f"fuzzing as {role}, seed {seed}", flush=True)
    command = [
        SCHEMATHESIS, "--config-file", HERE / "schemathesis.toml", "run", service.url + "/api.yaml",
        "--max-examples", str(requests), "--seed", str(seed),
    ]  # fmt: skip
    environment = {**os.environ, "FUZZ_TOKEN": token, "FUZZ_USERS": " ".join(USERS.values()), "FUZZ_ROLE": role}
    run = subprocess.run(
        command, cwd=HERE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if "FUZZ_VERBOSE" in os.environ or run.returncode != 0:
        print(run.stdout)
    if run.returncode != 0:
        sys.exit(f"fuzzing as {role} found something; above is what, and how to do it again")
    # Otherwise earlier requests might have got 401 or 403 for the wrong reason.
    expect(service.send(token, "GET", "/users/me"), 200)
    expect(service.send(token, "GET", "/measures/1"), 403 if role == "ADMIN" else 200)
    made = re.search(r"([\d,]+) generated", run.stdout)
    if made is None:
        sys.exit(run.stdout + "\nfuzzing: how many requests were made?")
    return int(made[1].replace(",", ""))


def main():
    service = Service(*sys.argv[1:3])
    wanted = int(sys.argv[3]) if len(sys.argv) > 3 else None
    service.add_users()
    total = 0
    while True:
        for role in [*USERS, PROGRAM]:
            total += fuzz(service, role, LONG if wanted else SHORT, secrets.randbits(32) if wanted else SEED)
        print(f"{total} requests were answered as the document says", flush=True)
        if total >= (wanted or 0):
            return


main()
