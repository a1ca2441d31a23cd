"""A proxy on loopback that cuts the connection instead of passing on every so-manieth insert."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading


class CuttingProxy:
    """Listens on `port`; of the pieces that hold an insert, each `every`th one is cut off."""

    def __init__(self, target: int, every: int) -> None:
        self._target = target
        self._every = every
        self._requests = itertools.count(1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                ours = threading.Thread(target=self._pump, args=(client, server, True), daemon=True)
                theirs = threading.Thread(target=self._pump, args=(server, client, False), daemon=True)
                ours.start()
                theirs.start()

    def _pump(self, source: socket.socket, sink: socket.socket, requests: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if requests and b"insert" in data and next(self._requests) % self._every == 0:
                    self.cuts += 1
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
