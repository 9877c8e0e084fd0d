"""Which addresses are the studio's own, without a server."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest
from starlette.types import Message

from labelmint.studio.server import Studio, app_of

TOKEN = "t0ken-of-a-test"


def status(port: int, host: str) -> int:
    """What the page of a studio at a port replies to who asks for it by an address."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    def opened() -> NoReturn:
        raise AssertionError("the files of the page need no session")

    studio = Studio(opened)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": f"token={TOKEN}".encode(),
        "headers": [(b"host", host.encode()), (b"origin", f"http://{host}".encode())],
    }
    try:
        asyncio.run(app_of(studio, port, TOKEN)(scope, receive, send))
    finally:
        studio.close()
    return int(sent[0]["status"])


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_port_of_http_may_be_left_out_as_browsers_do_and_no_other(name: str) -> None:
    assert [status(80, name), status(80, f"{name}:80")] == [200, 200]
    assert [status(8765, name), status(8765, f"{name}:8765"), status(80, f"{name}:8765")] == [403, 200, 403]
