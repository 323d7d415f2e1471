"""A proxy between a driver and its server, which loses connections at a message of our choice."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import Literal

#: "before": the server never gets the message; "after": it has answered, and nobody hears that.
Way = Literal["cut before", "cut after", "reset before", "reset after", "blackhole"]

_OP_MSG = 2013
#: What the driver's monitors send, at times of their own.
_OF_MONITORS = frozenset({b"hello", b"isMaster", b"ismaster"})


@dataclass
class Trouble:
    """Say which message of a client is lost, counted from 1, and how."""

    at: int
    way: Way


class Proxy:
    """Pass bytes between clients and a server, slowly or until there is trouble.

    `delay` is in seconds, each way; `rate` in bytes a second. Messages of monitors are not counted.
    """

    def __init__(self, address: tuple[str, int], *, delay: float = 0, rate: float = 0) -> None:
        self._server = address
        self.delay, self.rate = delay, rate
        self.messages = 0
        self.trouble: Trouble | None = None
        self.has_struck = False
        self._dead = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self._listener.getsockname()[1]}/?directConnection=true"

    def arm(self, trouble: Trouble | None) -> None:
        """Begin to count messages anew, and pass all of them on until the trouble begins."""
        with self._lock:
            self.messages, self.trouble, self.has_struck = 0, trouble, False
            self._dead = False

    def close(self) -> None:
        self._listener.close()
        for each in self._sockets:
            _end(each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [client, server]
            lost = threading.Event()
            for pump in (self._requests, self._replies):
                threading.Thread(target=pump, args=(client, server, lost), daemon=True).start()

    def _requests(
        self, client: socket.socket, server: socket.socket, lost: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while message := _read_message(client):
                way = self._count(message)
                if self._dead:
                    continue
                if way is None:
                    self._pass_on(server, message)
                    continue
                if way == "blackhole":
                    self._dead = True
                    continue
                if way.endswith("after"):
                    lost.set()
                    self._pass_on(server, message)
                    continue
                _end(client, reset=way.startswith("reset"))
                break
        _end(client)
        _end(server)

    def _replies(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while reply := _read_message(server):
                if self._dead:
                    continue
                if lost.is_set():
                    way = self.trouble.way if self.trouble else ""
                    _end(client, reset=way.startswith("reset"))
                    break
                self._pass_on(client, reply)
        _end(client)
        _end(server)

    def _count(self, message: bytes) -> Way | None:
        """Return what becomes of a message; None: it is passed on."""
        if _command(message) in _OF_MONITORS:
            return None
        with self._lock:
            self.messages += 1
            if self.trouble is None or self.messages != self.trouble.at:
                return None
            self.has_struck = True
            return self.trouble.way

    def _pass_on(self, to: socket.socket, message: bytes) -> None:
        if self.delay:
            time.sleep(self.delay)
        step = len(message) if not self.rate else 64 << 10
        for start in range(0, len(message), step):
            part = message[start : start + step]
            if self.rate:
                time.sleep(len(part) / self.rate)
            to.sendall(part)


def _read_message(source: socket.socket) -> bytes:
    """Read one message of the wire protocol: its length comes first."""
    head = _read(source, 4)
    if len(head) < 4:
        return b""
    (length,) = struct.unpack("<i", head)
    return head + _read(source, length - 4)


def _read(source: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = source.recv(min(size, 1 << 20))
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _command(message: bytes) -> bytes:
    """Return the name of a command: the first key of the first document."""
    (code,) = struct.unpack_from("<i", message, 12)
    if code != _OP_MSG:
        return b"hello"  # the driver's first words on a connection
    # Header, flags, kind of section, length and type of the first element.
    start = 16 + 4 + 1 + 4 + 1
    return message[start : message.index(b"\0", start)]


def _end(each: socket.socket, *, reset: bool = False) -> None:
    with contextlib.suppress(OSError):
        if reset:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Whoever waits for its bytes in another thread keeps it open until it is woken.
        each.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        each.close()
