"""Files of the library's on their way to Gradio, which hands out nothing but what lies in its own folder.

So no folder of takes need be opened to the page, and one that is linked to another disk serves too.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from gradio.utils import get_upload_folder

from studio.service.takes.naming import portable
from studio.service.takes.shelf import shown

KEPT = 8  # Gradio makes a copy of its own as soon as it has the path


def handed(path: Path) -> str:
    """Where Gradio finds the file under its own name: the same file if the disk is the same, else a copy.

    Raises:
        OSError: the file is gone, or the disk is full.
    """
    shelf = Path(get_upload_folder()) / "handed"
    folder = shelf / secrets.token_hex(16)
    folder.mkdir(parents=True)
    target = folder / portable(shown(path.name))
    try:
        os.link(path.resolve(), target)
    except OSError:
        shutil.copyfile(path, target)
    for old in sorted(shelf.iterdir(), key=lambda old: old.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return str(target)
