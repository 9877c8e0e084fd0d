"""A page of the studio in tests: a server in this process, and what asks it."""

from __future__ import annotations

import base64
import http.client
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from labelmint.studio.server import Studio, address_of, bound, server_of
from labelmint.studio.session import Session
from labelmint.types import Array

__all__ = ["Page", "as_text", "served"]

TOKEN = "t0ken-of-a-test"


class Reply(NamedTuple):
    """What the server replied."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its one JSON value."""
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """Its lines of JSON."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def samples(self) -> list[dict[str, Any]]:
        """The pairs of all lines."""
        return [sample for line in self.lines for sample in line["samples"]]


class Page:
    """What the page asks, once its address was opened; paths go out as they are written."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.port, self.token, self.cookie = urlsplit(address).port or 0, "", ""
        opened = self.ask(address[address.index("/?") :])
        self.cookie = opened.headers["set-cookie"].partition(";")[0]
        self.token = re.findall(r'studio-token" content="([\w-]+)"', opened.body.decode())[0]

    def ask(self, path: str, body: Any = None, **headers: str) -> Reply:
        """GET, or with a body POST with the page's token; `headers` with underscores, in place of the usual ones."""
        said = {"Cookie": self.cookie, **{name.replace("_", "-"): value for name, value in headers.items()}}
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            if body is None:
                line.request("GET", path, headers=said)
            else:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                line.request("POST", path, content, {"x-studio-token": self.token, **said})
            reply = line.getresponse()
            return Reply(
                reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
            )
        finally:
            line.close()


@contextmanager
def served(session: Session) -> Iterator[Page]:
    """The page of a session."""
    listening, studio = bound(0), Studio(lambda: session)
    server = server_of(listening, studio, TOKEN)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Page(address_of(listening, TOKEN))
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
        studio.close()


def as_text(numbers: Array) -> str:
    """A map as the page sends it."""
    return base64.b64encode(numbers.astype("<u2").tobytes()).decode()


def as_map(text: str, size: tuple[int, int]) -> Array:
    """A map as the page gets it."""
    return np.frombuffer(base64.b64decode(text), "<u2").reshape(size)
