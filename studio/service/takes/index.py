"""What the sidecars of an outputs folder say, in one SQLite file, so that a search reads none of them.

The sidecars stay the truth. The index is a cache: whatever ails its file, or where it can't be written, the
same is kept in memory for as long as the process lives, and the file can be deleted at any time.

Its journal is SQLite's usual one, not a write-ahead log: writes are few and short, and such a log needs
shared memory, which disks on a network lack, and leaves two more files beside the takes. A connection is open
for a moment only: no lock outlives a search, and a file that was deleted meanwhile is made anew.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeAlias, TypeVar

from studio import __version__
from studio.service.takes.sidecar import Entry

T = TypeVar("T")

log = logging.getLogger(__name__)

INDEX_FILE = ".longwave-index.sqlite"
APPLICATION_ID = 0x4C57_4958  # "LWIX": tells the file from anybody else's
SCHEMA_VERSION = 2  # a change of `Entry`, or of how a record is read, is another
BUSY_S = 1.0  # a writer needs some hundredths

_COLUMNS = ", ".join(Entry._fields)
_TABLE = f"CREATE TABLE sidecars (folder, name, made_by, stamp, {_COLUMNS}, PRIMARY KEY (folder, name))"
_KNOWN = f"SELECT name, stamp, {_COLUMNS} FROM sidecars WHERE folder = ? AND made_by = ?"
_PUT = f"INSERT INTO sidecars VALUES ({', '.join('?' * (4 + len(Entry._fields)))})"
_STORED: dict[type, type] = {str: bytes, bool: int, float: float}
_TYPES = (bytes, str, *(_STORED[type(value)] for value in Entry()))
_CORRUPT = 11  # sqlite3.SQLITE_CORRUPT

Read: TypeAlias = "tuple[str, Entry]"  # a sidecar's stamp, and what it says


class Index:
    """The entries of an outputs folder's sidecars, by their folders' names under it. Never raises.

    Shared by threads, and the file by processes; entries that another version of Longwave made are not known.
    """

    def __init__(self, outputs: Path) -> None:
        self._path = outputs / INDEX_FILE
        self._lock = threading.Lock()
        self._memory: sqlite3.Connection | None = None  # once the file is of no use

    def known(self, folders: Collection[str]) -> dict[str, dict[str, Read]]:
        """What is known of these folders' sidecars, by folder and name."""
        return self._do(lambda database: {folder: _known(database, folder) for folder in folders}) or {}

    def folders(self) -> set[str]:
        """Those of which anything is known."""
        return self._do(_folders) or set()

    def put(self, changes: Mapping[str, Mapping[str, Read | None]]) -> None:
        """Keep what was read, by folder and name; None for a sidecar that is gone."""
        self._do(lambda database: _put(database, changes), create=True)

    def forget(self, folders: Collection[str]) -> None:
        """Keep nothing of these folders."""
        self._do(lambda database: _forget(database, folders), create=True)

    def _do(self, what: Callable[[sqlite3.Connection], T], *, create: bool = False) -> T | None:
        """What an operation gives, in memory if need be; None where there is no index and none is made."""
        for _ in range(3):  # of a file that is damaged, then in memory
            try:
                with self._opened(create=create) as database:
                    return what(database) if database is not None else None
            except (sqlite3.Error, OSError) as error:
                self._do_without(error)
        return None

    @contextmanager
    def _opened(self, *, create: bool = False) -> Iterator[sqlite3.Connection | None]:
        """The database; None where there is none yet and none is to be made."""
        with self._lock:
            if self._memory is not None:
                yield self._memory
                return
            if not create and not os.path.lexists(self._path):
                yield None
                return
            if os.path.lexists(self._path) and not self._path.is_file():
                raise sqlite3.OperationalError("no ordinary file")
            connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
            with closing(connection):
                yield connection if _prepared(connection, create=create) else None

    def _do_without(self, error: Exception) -> None:
        """Remove a file of ours that is damaged; go on in memory where anything else is wrong with it."""
        code = getattr(error, "sqlite_errorcode", None) or 0
        with self._lock:
            if code & 0xFF == _CORRUPT and _remove(self._path):
                log.info("%s was damaged: it is made anew", self._path)
            elif self._memory is None:
                log.info("%s is of no use (%s): takes are looked up in memory", self._path, error)
                # Python closes it with the index; until then any thread uses it, under the lock.
                self._memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
                _prepared(self._memory, create=True)


def _prepared(database: sqlite3.Connection, *, create: bool) -> bool:
    """Whether there is a table of this schema, made now if need be.

    Raises:
        sqlite3.Error: the file is somebody else's or of a newer schema; or as SQLite finds it.
    """
    if _pragma(database, "page_count") and _pragma(database, "application_id") != APPLICATION_ID:
        raise sqlite3.OperationalError("it is somebody else's")
    version = _pragma(database, "user_version")
    if version > SCHEMA_VERSION:
        raise sqlite3.OperationalError("it is a newer Longwave's")
    if not create:
        return version == SCHEMA_VERSION
    database.execute("PRAGMA secure_delete = ON")  # a take deleted for good leaves no word behind
    if version == SCHEMA_VERSION:
        return True
    with _transaction(database):
        if _pragma(database, "user_version") == SCHEMA_VERSION:  # another process was quicker
            return True
        database.execute("DROP TABLE IF EXISTS sidecars")
        database.execute(_TABLE)
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return True


def _known(database: sqlite3.Connection, folder: str) -> dict[str, Read]:
    known: dict[str, Read] = {}
    for row in database.execute(_KNOWN, (os.fsencode(folder), __version__)):
        if tuple(map(type, row)) == _TYPES:  # in a damaged file anything may stand anywhere
            with suppress(UnicodeDecodeError):
                known[os.fsdecode(row[0])] = row[1], Entry._make(map(_value, row[2:]))
    return known


def _folders(database: sqlite3.Connection) -> set[str]:
    return {os.fsdecode(folder) for (folder,) in database.execute("SELECT DISTINCT folder FROM sidecars")}


def _put(database: sqlite3.Connection, changes: Mapping[str, Mapping[str, Read | None]]) -> None:
    with _transaction(database):
        for folder, names in changes.items():
            for name, now in names.items():
                key = os.fsencode(folder), os.fsencode(name)
                database.execute("DELETE FROM sidecars WHERE folder = ? AND name = ?", key)
                if now is not None:
                    database.execute(_PUT, (*key, __version__, now[0], *map(_column, now[1])))


def _forget(database: sqlite3.Connection, folders: Collection[str]) -> None:
    with _transaction(database):
        for folder in folders:
            database.execute("DELETE FROM sidecars WHERE folder = ?", (os.fsencode(folder),))


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            database.execute("ROLLBACK")
        raise


def _column(value: object) -> object:
    """Text as bytes: the names of files that are no text have characters that SQLite has not."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


def _value(column: object) -> object:
    """What `_column` was given. Raises `UnicodeDecodeError`."""
    if isinstance(column, bytes):
        return column.decode("utf-8", "surrogatepass")
    return bool(column) if isinstance(column, int) else column


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _remove(path: Path) -> bool:
    """Remove a damaged index, its journal first: that would be played back into the next one."""
    try:
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
