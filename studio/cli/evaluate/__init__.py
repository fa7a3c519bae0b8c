"""`longwave eval`: a file a command, each of which adds itself to `commands.eval_commands`."""

from __future__ import annotations

from studio.cli.evaluate import bandwidth as _bandwidth  # noqa: F401
from studio.cli.evaluate import dual as _dual  # noqa: F401
from studio.cli.evaluate import folder as _folder  # noqa: F401
from studio.cli.evaluate import paper as _paper  # noqa: F401
from studio.cli.evaluate import passes as _passes  # noqa: F401
from studio.cli.evaluate import pocket as _pocket  # noqa: F401
from studio.cli.evaluate import realism as _realism  # noqa: F401
from studio.cli.evaluate import seams as _seams  # noqa: F401
from studio.cli.evaluate import sparse as _sparse  # noqa: F401
from studio.cli.evaluate import take as _take  # noqa: F401
from studio.cli.evaluate import voice as _voice  # noqa: F401
from studio.cli.evaluate.commands import eval_commands

__all__ = ["eval_commands"]
