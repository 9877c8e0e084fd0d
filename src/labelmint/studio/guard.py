"""Who may ask: the page of this start alone, from this machine, for the one who was told the address.

    Host       127.0.0.1:PORT or localhost:PORT, so that no name of another site leads here (DNS rebinding)
    Origin     where a browser sends one, this very page's
    token      made anew at every start, part of the address; it sets a cookie, and every request needs either, so
               that no other user of the machine gets in. Part of the page, too: whatever changes anything sends it
               once more, since pages at other ports share the cookies

And what a page of the studio may do is said in its headers: nothing comes from elsewhere, nothing goes elsewhere.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labelmint.studio.replies import replied

__all__ = ["TOKEN_HEADER", "Guard"]

TOKEN_HEADER = "x-studio-token"
_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """An ASGI app that lets the right requests through to another.

    Arguments:
        app: that replies. hosts: values of the header Host that are ours, as in "127.0.0.1:8765".
        token: that requests must carry. cookie: the name of that which carries it, not that of another port's.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], token: str, cookie: str) -> None:
        self._app, self._hosts, self._token, self._cookie = app, frozenset(hosts), token, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let through and add the headers."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if refusal is None and self._named(scope):
                    headers["set-cookie"] = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
            await send(message)

        refusal = "the studio speaks HTTP alone" if scope["type"] != "http" else self._refusal(scope)
        app = self._app if refusal is None else replied({"error": refusal}, 403)
        await app(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> str | None:
        """Why a request is refused; None where it is not."""
        headers = Headers(scope=scope)
        if headers.get("host", "").lower() not in self._hosts:
            return "this is not an address of the studio; open the one that it printed"
        origin = headers.get("origin")
        if origin is not None and origin.lower().removeprefix("http://") not in self._hosts:
            return "another site may not ask the studio"
        if not self._named(scope) and not self._is_token(HTTPConnection(scope).cookies.get(self._cookie)):
            return "the token of this start is missing; open the whole address that the studio printed"
        if scope["method"] in ("GET", "HEAD"):
            return None
        if not self._is_token(headers.get(TOKEN_HEADER)):
            return "the page belongs to another start of the studio; reload it"
        return None

    def _named(self, scope: Scope) -> bool:
        """True if the address that is asked for holds the token."""
        return self._is_token(HTTPConnection(scope).query_params.get("token"))

    def _is_token(self, text: str | None) -> bool:
        return hmac.compare_digest((text or "").encode(), self._token.encode())
