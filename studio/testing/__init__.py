"""What the tests of whoever builds on Longwave run on: a model without weights whose sound can be wrong.

`FakeBackend` goes wherever a `studio.backends.base.Backend` does:

>>> from studio.core.events import AudioChunk
>>> from studio.core.request import parse_request
>>> from studio.pipeline.cancel import CancelToken
>>> from studio.pipeline.renderer import Renderer
>>> from studio.testing import FakeBackend
>>> request = parse_request(prompt="rain", seed=7, duration_s=2.0)
>>> events = Renderer()(request, FakeBackend(), CancelToken())
>>> sum(len(event.samples) for event in events if isinstance(event, AudioChunk))
32000

and a whole service stands on it as `Studio(settings, lambda choice: FakeBackend(), Renderer())`.
`FakeSpeakingBackend` does the same for a model that speaks.
"""

from studio.testing.backend import FakeBackend
from studio.testing.speaking import FakeSpeakingBackend

__all__ = ["FakeBackend", "FakeSpeakingBackend"]
