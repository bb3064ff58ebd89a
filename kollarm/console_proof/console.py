"""The proxy's websocket, from the URL of a console that Nova gives."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit, urlunsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from core.errors import KollarmError
from kollarm.console_proof.rfb import RfbError, VncClient, VncConnection

#: Seconds for the proxy to answer, and for each part of an answer.
PATIENCE = 30.0

#: Bytes of one message: proxies pass on at most 64 KiB at a time.
MESSAGE = 4 << 20


class ProxyError(KollarmError):
    """The console proxy can't be reached, or refuses."""


def websocket(url: str) -> str:
    """The websocket's address from a noVNC page's URL.

    Nova hands noVNC its token in the page's ``path`` (``…/vnc_lite.html?path=%3Ftoken%3D…``,
    since Rocky), before that in ``token``, for which the path is ``websockify``.

    :raises ProxyError: the URL has neither.
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
    # noVNC takes it relative to the proxy's root.
    root = urlunsplit(("http", page.netloc, "/", "", ""))
    address = urlsplit(urljoin(root, target))
    return urlunsplit((scheme, address.netloc, address.path, address.query, ""))


@contextmanager
def session(url: str, *, verify: bool | str = True) -> Iterator[VncClient]:
    """A VNC session with a guest, by the URL of its console.

    :param verify: whether to check the proxy's certificate, or the CA bundle for it.
    :raises ProxyError: the proxy can't be reached, or refuses the token.
    :raises RfbError: there is no VNC server behind the proxy, or it ended.
    """
    with _connected(websocket(url), url, verify) as (connection, proxy):
        yield VncClient(_stream(connection, proxy))


class SerialConnection:
    """The bytes to and from a serial console."""

    def __init__(self, connection: ClientConnection, proxy: str):
        self._connection, self._proxy = connection, proxy

    def read(self) -> bytes:
        """What has come, which may be nothing.

        :raises ProxyError: the connection has ended.
        """
        received = bytearray()
        try:
            while len(received) < MESSAGE:
                message = self._connection.recv(timeout=0.2)
                received += message.encode() if isinstance(message, str) else message
        except TimeoutError:
            pass
        except ConnectionClosed as error:
            if not received:
                raise ProxyError(f"{self._proxy} closed the connection") from error
        return bytes(received)

    def write(self, data: bytes) -> None:
        """Send bytes.

        :raises ProxyError: the connection has ended.
        """
        try:
            self._connection.send(data)
        except ConnectionClosed as error:
            raise ProxyError(f"{self._proxy} closed the connection") from error


@contextmanager
def serial_session(url: str, *, verify: bool | str = True) -> Iterator[SerialConnection]:
    """A session with a guest's serial port, by the URL that Nova gives, which is a websocket's.

    :param verify: whether to check the proxy's certificate, or the CA bundle for it.
    :raises ProxyError: the proxy can't be reached, or refuses the token.
    """
    if urlsplit(url).scheme not in ("ws", "wss"):
        raise ProxyError(
            f"the serial console's URL is not a websocket's: {url.split('?', maxsplit=1)[0]}"
        )
    with _connected(url, url, verify) as (connection, proxy):
        yield SerialConnection(connection, proxy)


@contextmanager
def _connected(
    address: str, url: str, verify: bool | str
) -> Iterator[tuple[ClientConnection, str]]:
    proxy = f"the console proxy {urlsplit(url).netloc}"
    context = _trust(verify) if address.startswith("wss:") else None
    try:
        connection = connect(
            address,
            subprotocols=[Subprotocol("binary")],
            ssl=context,
            open_timeout=PATIENCE,
            close_timeout=5,
            compression=None,
            max_size=MESSAGE,
            # As a browser does, which does not use this shell's HTTP proxy.
            proxy=None,
        )
    except InvalidStatus as error:
        raise ProxyError(
            f"{proxy} answers with {error.response.status_code} instead of a websocket"
        ) from error
    except (OSError, InvalidHandshake, InvalidURI, EOFError) as error:
        raise ProxyError(f"{proxy} can't be reached: {error or type(error).__name__}") from error
    try:
        yield connection, proxy
    finally:
        connection.close()


def _trust(verify: bool | str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _stream(connection: ClientConnection, proxy: str) -> VncConnection:
    """The websocket's messages as one stream of bytes."""
    pending = bytearray()

    def read(count: int) -> bytes:
        limit = time.monotonic() + PATIENCE
        while len(pending) < count:
            try:
                message = connection.recv(timeout=max(0.0, limit - time.monotonic()))
            except TimeoutError:
                raise RfbError(
                    f"{proxy} has sent less than {count} bytes in {PATIENCE:.0f} s"
                ) from None
            except ConnectionClosed as error:
                reason = f": {error.rcvd.reason}" if error.rcvd and error.rcvd.reason else ""
                raise RfbError(f"{proxy} closed the connection{reason}") from None
            pending.extend(message.encode() if isinstance(message, str) else message)
        taken = bytes(pending[:count])
        del pending[:count]
        return taken

    def write(data: bytes) -> None:
        try:
            connection.send(data)
        except ConnectionClosed:
            raise RfbError(f"{proxy} closed the connection") from None

    return VncConnection(read, write)
