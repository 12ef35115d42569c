"""What can go wrong."""

from __future__ import annotations

from typing import Any, Optional

import requests


class MyMonitError(Exception):
    """The base of all errors of this package."""


class TokenMissing(MyMonitError):
    """No token was given."""


class Unreachable(MyMonitError):
    """The service or the broker does not answer."""


class IncompleteAnswer(MyMonitError):
    """An answer broke off. What came of it is not whole and is not returned."""


class NotPublished(MyMonitError):
    """The broker has not confirmed a message. `Publisher.retry` sends it again with the same id."""

    def __init__(self, message_id: str, body: bytes, cause: str) -> None:
        super().__init__(f"message {message_id} is not confirmed: {cause}")
        self.message_id = message_id
        #: The message itself.
        self.body = body
        #: The ids of the messages of this call that were confirmed before it; none were after it.
        self.confirmed: list[str] = []


class ApiError(MyMonitError):
    """A refusal by the service."""

    def __init__(self, status: int, code: Optional[str], detail: str) -> None:
        super().__init__(f"{status} {code or ''}: {detail}" if code else f"{status}: {detail}")
        #: The HTTP status.
        self.status = status
        #: The service's stable code, such as `not_found`; `None` if something else answered.
        self.code = code
        #: A sentence that says what is wrong.
        self.detail = detail

    @classmethod
    def of(cls, response: requests.Response) -> ApiError:
        """The error that a response tells of."""
        try:
            problem: Any = response.json()
        except ValueError:
            problem = None
        if isinstance(problem, dict) and isinstance(problem.get("code"), str):
            detail = problem.get("detail") or problem.get("title") or ""
            return cls(response.status_code, problem["code"], str(detail))
        return cls(response.status_code, None, response.reason or "no answer of MyMONIT")
