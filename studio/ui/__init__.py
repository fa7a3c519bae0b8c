"""The page. Handlers bind, call the service, render; nothing is computed or validated here."""

from __future__ import annotations

import os

# Gradio reads these when it is imported, and it is imported in this package alone.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
