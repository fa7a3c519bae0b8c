"""Where things are and how the server runs: resolved once at start and passed down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.core.hosts import is_loopback
from studio.core.modes import MODES, POCKET

PACKAGE = Path(__file__).resolve().parents[1]


def data_dir(name: str) -> Path:
    """The folder `assets` or `presets`: inside an installed wheel, else beside the package in a checkout."""
    bundled = PACKAGE / "_data" / name
    return bundled if bundled.is_dir() else PACKAGE.parent / name


_SHIPPED = {name: data_dir(name) for name in ("assets", "presets")}


@dataclass(frozen=True)
class Visitors:
    """What strangers may take of a studio that is theirs to use, and for how long it is kept."""

    longest_s: float = 300.0  # of a take
    turn_s: float = 60.0  # before an endless take of one fades out for another who waits
    clip_turn_s: float = 600.0  # before any other take is stopped for one who waits
    keep_s: float = 6 * 3600.0  # before what they made is deleted


@dataclass(frozen=True)
class Settings:
    """One value for everything a command line or a Space may choose."""

    outputs: Path = field(default_factory=lambda: Path("outputs"))
    assets: Path = field(default_factory=lambda: data_dir("assets"))
    presets: Path = field(default_factory=lambda: data_dir("presets"))
    host: str = "127.0.0.1"
    port: int = 7860
    open_browser: bool = True
    share: bool = False
    auth: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # names and passwords of who may log in
    allowed_hosts: tuple[str, ...] = ()  # names that a reverse proxy is reached by
    root_path: str = ""  # where a reverse proxy has put the page, as in "/studio"
    model_id: str = POCKET
    device: str = "auto"
    dtype: str = "auto"
    lead_s: float = 8.0
    unattended_limit_s: float = 4 * 3600.0
    jobs_per_client: int = 2  # made or waiting at once; where the page is private there is but one client
    upload_bytes_per_client: int = 2 * 10**9  # within a day, likewise
    keep_latents: bool = True  # beside takes, for edits of them: 6.4 kB a second
    mcp: bool = False  # whether assistants may use it, over MCP
    visitors: Visitors | None = None  # where the folder of takes is strangers' alone
    queue: Path | None = None  # a folder of sets that other processes make

    def __getstate__(self) -> dict[str, Any]:
        """Without where it finds what ships: that is looked for where it is unpickled."""
        shipped = _SHIPPED.items()
        return {name: value for name, value in self.__dict__.items() if (name, value) not in shipped}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**_SHIPPED, **state})

    def model_of(self, mode: str) -> str:
        """The model of a tab: the pocket one that makes such takes, unless another was chosen."""
        return MODES[mode].model if self.model_id == POCKET else self.model_id

    @property
    def private(self) -> bool:
        """Whether only this machine's own user reaches the page: no network, no tunnel, no proxy."""
        return is_loopback(self.host) and not (self.share or self.allowed_hosts or self.root_path)

    @property
    def trusted(self) -> bool:
        """Whether all who reach the page may hear and keep all takes: its own user, or those with a login."""
        return self.private or bool(self.auth)
