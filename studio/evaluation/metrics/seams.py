"""Seams: places where a take goes on as another one would."""
from __future__ import annotations
from dataclasses import dataclass
from typing import Any

@dataclass(frozen=True)
class Seam:
    at_s: float
    strength: float
    def as_json(self) -> dict[str, Any]:
        return {"at_s": round(self.at_s, 2), "strength": round(self.strength, 2)}

def find_seams(frames):
    return []
