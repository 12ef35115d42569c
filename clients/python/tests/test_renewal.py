"""ID tokens are renewed with a refresh token, at the Firebase Auth emulator."""

import os
import pathlib
import subprocess

import pytest
import requests
from conftest import BROKER, TIMEOUT, Service, free_port
from mymonit import ApiError, Client, FirebaseSession

EMULATOR = pathlib.Path(__file__).parents[3] / "page/tests/harness/auth-emulator.cjs"
#: The UID of S001 in the example data.
PETER = "uJayGH994iVa2TY5auSNYZoUpwk1"


@pytest.fixture
def emulator(tmp_path):
    """The address of an emulator that knows S001."""
    port = str(free_port())
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "NODE_NO_WARNINGS": "1"}
    command = ["node", str(EMULATOR), "demo-mymonit", port]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.strip() == "ready":
                break
        address = f"127.0.0.1:{port}"
        account = {"localId": PETER, "email": "phigg@home.cern", "password": "secret-1"}
        ask(address, "/v1/projects/demo-mymonit/accounts", account, Authorization="Bearer owner")
        yield address
        process.terminate()


def ask(address, path, document, **headers):
    url = f"http://{address}/identitytoolkit.googleapis.com{path}"
    answer = requests.post(url, json=document, headers=headers, timeout=TIMEOUT)
    answer.raise_for_status()
    return answer.json()


def test_an_id_token_is_renewed_before_it_ends(tmp_path, emulator):
    service = Service(
        tmp_path,
        ["serve"],
        RABBIT_URL=BROKER,
        RABBIT_QUEUE="renewal",
        RABBIT_ROUTING="renewal",
        DATABASE_URL=f"sqlite://{tmp_path}/mymonit.db",
        EXAMPLE_DATA="true",
        FIREBASE_PROJECT_ID="demo-mymonit",
        FIREBASE_AUTH_EMULATOR_HOST=emulator,
    )
    try:
        sign_in = {"email": "phigg@home.cern", "password": "secret-1", "returnSecureToken": True}
        signed_in = ask(emulator, "/v1/accounts:signInWithPassword?key=any", sign_in)
        address = f"http://{emulator}/securetoken.googleapis.com"
        session = FirebaseSession("any", signed_in["refreshToken"], url=address)
        with Client(service.url, session) as client:
            assert list(client.experiments()) == ["device-vibrations"]
            first = session.id_token()
            assert session.id_token() == first
            # As an hour later.
            session._renew_at = 0
            assert list(client.experiments()) == ["device-vibrations"]
        with pytest.raises(ApiError, match="refresh token"):
            FirebaseSession("any", "nonsense", url=address).id_token()
    finally:
        service.stop()
