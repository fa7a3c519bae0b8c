"""A wheel whose source lacks some of the pocket models' weights asks for the distribution that has them.

A checkout has them, and its wheel too. A source distribution has one model's alone, so that each file that is
published stays below 100 MB: what is built of it finds the others in `longwave-pocket` (packaging/pocket).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ELSEWHERE = Path("assets", "pocket", "audioldm2")  # one of those that the source distribution leaves out


class PocketHook(BuildHookInterface[Any]):
    """Hatchling's way in."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the dependency where it is needed."""
        if not (Path(self.root) / ELSEWHERE).is_dir():
            build_data["dependencies"].append(f"longwave-pocket=={self.metadata.version}")
