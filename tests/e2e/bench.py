"""The page's modules on an otherwise empty page, served with whatever answers a test gives them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from studio.core.settings import data_dir
from studio.ui.words import as_script

Answer = Callable[[BaseHTTPRequestHandler], None]
_PAGE = b'<!doctype html><title>modules</title><link rel="icon" href="data:,"><button>press</button>'


@contextmanager
def bench(answers: dict[str, Answer]) -> Iterator[str]:
    """The address of a page; `answers` are by the beginnings of paths."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            answer = next((answer for start, answer in answers.items() if path.startswith(start)), None)
            if answer is not None:
                answer(self)
            elif path == "/":
                send(self, _PAGE, "text/html")
            elif path == "/page/words.js":
                send(self, as_script().encode(), "text/javascript")
            else:
                send(self, (data_dir("assets") / path[1:]).read_bytes(), "text/javascript")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler: BaseHTTPRequestHandler, body: bytes, media_type: str) -> None:
    """A whole answer, or the range of it that is asked for."""
    span = handler.headers.get("Range", "")
    start = int(span.removeprefix("bytes=").split("-")[0]) if span else 0
    handler.send_response(206 if span else 200)
    if span:
        handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
    handler.send_header("Accept-Ranges", "bytes")
    handler.send_header("Content-Type", media_type)
    handler.send_header("Content-Length", str(len(body) - start))
    handler.end_headers()
    handler.wfile.write(body[start:])


def begin_stream(handler: BaseHTTPRequestHandler, **headers: str) -> None:
    """The head of an answer in chunks."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/octet-stream")
    handler.send_header("Transfer-Encoding", "chunked")
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def send_chunk(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """A chunk; an empty one is the last."""
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    handler.wfile.flush()
