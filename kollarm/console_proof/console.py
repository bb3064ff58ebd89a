"""From a console's URL, as Nova gives it, to the proxy's websocket."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit, urlunsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from core.errors import KollarmError
from kollarm.console_proof.rfb import RfbError, VncClient, VncConnection

#: Seconds for the proxy to answer at all, and for each piece of an answer.
PATIENCE = 30.0


class ProxyError(KollarmError):
    """The console proxy can't be reached or refuses."""


def websocket(url: str) -> str:
    """The websocket's address of a noVNC page's URL.

    Nova hands noVNC its token in the page's ``path`` (``…/vnc_lite.html?path=%3Ftoken%3D…``,
    since Rocky), before that in ``token``, for which the path is ``websockify``.

    :raises ProxyError: neither is there.
    """
    page = urlsplit(url)
    query = parse_qs(page.query)
    if path := query.get("path"):
        target = path[0]
    elif token := query.get("token"):
        target = "websockify?" + urlencode({"token": token[0]})
    else:
        raise ProxyError(f"the console's URL has no token: {url}")
    scheme = "wss" if page.scheme == "https" else "ws"
    # Relative to the proxy's root, as noVNC takes it.
    root = urlunsplit(("http", page.netloc, "/", "", ""))
    where = urlsplit(urljoin(root, target))
    return urlunsplit((scheme, where.netloc, where.path, where.query, ""))


@contextmanager
def session(url: str, *, verify: bool | str = True) -> Iterator[VncClient]:
    """A VNC session with the guest whose console's URL this is.

    :param verify: whether to check the proxy's certificate, or the CA bundle to do it with.
    :raises ProxyError: the proxy can't be reached, or refuses the token.
    :raises RfbError: behind the proxy is no VNC server, or it ended.
    """
    address = websocket(url)
    shown = f"the console proxy {urlsplit(url).netloc}"
    context = _trust(verify) if address.startswith("wss:") else None
    try:
        connection = connect(
            address,
            subprotocols=[Subprotocol("binary")],
            ssl=context,
            open_timeout=PATIENCE,
            close_timeout=5,
            compression=None,
            max_size=None,
            # The proxy has to be reached as a browser would; a browser on this network
            # doesn't use the proxy of this machine's shell for it.
            proxy=None,
        )
    except InvalidStatus as error:
        raise ProxyError(
            f"{shown} answers with {error.response.status_code} instead of a websocket"
        ) from error
    except (OSError, InvalidHandshake, InvalidURI, EOFError) as error:
        raise ProxyError(f"{shown} can't be reached: {error or type(error).__name__}") from error
    try:
        yield VncClient(_stream(connection, shown))
    finally:
        connection.close()


def _trust(verify: bool | str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _stream(connection: ClientConnection, shown: str) -> VncConnection:
    """The websocket's messages as one stream of bytes."""
    pending = bytearray()

    def read(count: int) -> bytes:
        while len(pending) < count:
            try:
                message = connection.recv(timeout=PATIENCE)
            except TimeoutError:
                raise RfbError(f"{shown} is silent for {PATIENCE:.0f} s") from None
            except ConnectionClosed as error:
                said = f": {error.rcvd.reason}" if error.rcvd and error.rcvd.reason else ""
                raise RfbError(f"{shown} closed the connection{said}") from None
            pending.extend(message.encode() if isinstance(message, str) else message)
        taken = bytes(pending[:count])
        del pending[:count]
        return taken

    def write(data: bytes) -> None:
        try:
            connection.send(data)
        except ConnectionClosed:
            raise RfbError(f"{shown} closed the connection") from None

    return VncConnection(read, write)
