"""A Hub on this machine: lists and serves folders as the real one does, and fails as it is told to."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


@dataclass
class FakeHub:
    """Repositories as folders, and what goes wrong."""

    repositories: dict[str, Path] = field(default_factory=dict)
    break_after: int | None = None  # bytes of each answer that come before the line breaks
    breaks: int = 10**9  # how often it does
    damaged: str = ""  # a file whose bytes are not those that were listed
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # answers before the right ones
    always: tuple[int, dict[str, str]] | None = None  # the answer to everything
    token: str = ""  # without which nothing is given
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range
    url: str = ""

    def bytes_of(self, name: str) -> int:
        """How many requests asked for a file's content."""
        return sum(1 for method, path, _ in self.asked if method == "GET" and path.endswith(name))


def digests(content: bytes, name: str) -> dict[str, Any]:
    """What the Hub lists of a file: large ones lie in its store under their SHA-256."""
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    listed: dict[str, Any] = {"size": len(content), "blobId": blob}
    if name.endswith((".safetensors", ".bin")):
        digest = hashlib.sha256(content).hexdigest()
        listed["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
    return listed


def handler_of(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append((self.command, path, self.headers.get("Range", "")))
            refusal = hub.always or (hub.refusals.pop(0) if hub.refusals else None)
            if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                refusal = (401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"})
            if refusal:
                self.give(refusal[0], b"{}", refusal[1])
                return
            for name, folder in hub.repositories.items():
                if path.startswith(f"/api/models/{name}"):
                    self.list_files(name, folder, path)
                    return
                if path.startswith(f"/{name}/resolve/"):
                    self.file(folder, path.split("/resolve/")[1].split("/", 1)[1])
                    return
            self.give(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        def list_files(self, name: str, folder: Path, path: str) -> None:
            files = {
                str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()
            }
            if "/tree/" in path:
                listed: Any = [
                    {"type": "file", "path": file, "oid": about.pop("blobId"), **about}
                    for file, content in files.items()
                    for about in [digests(content, file)]
                ]
                for entry in listed:
                    if "lfs" in entry:
                        entry["lfs"]["oid"] = entry["lfs"].pop("sha256")
            else:
                siblings = [{"rfilename": file, **digests(content, file)} for file, content in files.items()]
                listed = {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "tags": [],
                          "cardData": {"license": "cc-by-nc-sa-4.0"}, "private": False, "downloads": 0,
                          "likes": 0}  # fmt: skip
            self.give(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})

        def file(self, folder: Path, name: str) -> None:
            if not (folder / name).is_file():
                self.give(404, b"", {"X-Error-Code": "EntryNotFound"})
                return
            content = (folder / name).read_bytes()
            about = digests(content, name)
            etag = about["lfs"]["sha256"] if "lfs" in about else about["blobId"]
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            if name == hub.damaged:
                content = content[:-1] + bytes([content[-1] ^ 1])
            begin = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
            if begin:
                headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            self.give(206 if begin else 200, content[begin:], headers)

        def give(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            limit, large = hub.break_after, status in (200, 206) and "ETag" in headers
            if limit is not None and large and len(body) > limit and hub.breaks > 0:
                hub.breaks -= 1
                self.wfile.write(body[:limit])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
                return
            self.wfile.write(body)

    return Handler


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """The Hub at an address of its own on this machine, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
