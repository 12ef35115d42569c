"""Where the token of a request comes from."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Callable, Optional, Union

import requests

from ._errors import ApiError, TokenMissing, Unreachable

#: A token, a file that holds one, or what gives one.
Token = Union[str, "os.PathLike[str]", "FirebaseSession"]

#: Seconds before its end at which an ID token is renewed.
RENEWAL_MARGIN = 60


class FirebaseSession:
    """Renews ID tokens of Firebase with a refresh token.

    `api_key` is the public key of the Firebase project's web app. `url` is another address for
    mirrors and the emulator.
    """

    def __init__(
        self, api_key: str, refresh_token: str, *, url: str = "https://securetoken.googleapis.com"
    ) -> None:
        self._address = f"{url.rstrip('/')}/v1/token"
        self._api_key = api_key
        self._refresh_token = refresh_token
        self._id_token = ""
        self._renew_at = 0.0
        self._lock = threading.Lock()

    def id_token(self) -> str:
        """An ID token that is good for a minute at least."""
        with self._lock:
            if time.monotonic() >= self._renew_at:
                self._renew()
            return self._id_token

    def _renew(self) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        asked_at = time.monotonic()
        try:
            response = requests.post(self._address, params={"key": self._api_key}, data=form, timeout=30)
        except requests.RequestException as error:
            # The address holds the key, so the error is not repeated.
            raise Unreachable(f"Firebase does not renew the token: {type(error).__name__}") from None
        if not response.ok:
            raise ApiError(response.status_code, None, f"Firebase refuses the refresh token: {reason(response)}")
        answer = response.json()
        self._id_token = answer["id_token"]
        self._refresh_token = answer["refresh_token"]
        self._renew_at = asked_at + int(answer["expires_in"]) - RENEWAL_MARGIN


def reason(response: requests.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.reason


def token_source(token: Optional[Token]) -> Callable[[], str]:
    """What gives a token before each request.

    Without `token` it is `MYMONIT_TOKEN`, else the file that `MYMONIT_TOKEN_FILE` names, else
    `~/.config/mymonit/token`.
    """
    if token is None:
        from_environment = os.environ.get("MYMONIT_TOKEN")
        token = from_environment or Path(
            os.environ.get("MYMONIT_TOKEN_FILE") or Path.home() / ".config/mymonit/token"
        )
    if isinstance(token, FirebaseSession):
        return token.id_token
    if isinstance(token, str):
        plain = token.strip()
        return lambda: plain
    path = Path(token)
    return lambda: from_file(path)


def from_file(path: Path) -> str:
    # Read for each request: the file may have been renewed.
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise TokenMissing(
            f"no token: give `token`, set MYMONIT_TOKEN or MYMONIT_TOKEN_FILE, or write it to {path}"
        ) from None
