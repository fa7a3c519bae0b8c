"""What can go wrong that a user can mend. Anything else is a bug and stays an ordinary exception."""

from __future__ import annotations


class StudioError(Exception):
    """A mistake or shortage that the message explains in one sentence, ending in what to do.

    The message is shown as it is on the page, on the command line and by the API.
    """


class InvalidRequestError(StudioError):
    """A value of the request lies outside what the studio can do."""


class ModelNotFoundError(StudioError):
    """No checkpoint of that name is in the catalog, in a folder, or on the Hub."""


class WeightsError(StudioError):
    """A checkpoint is there but incomplete, damaged, or of another architecture."""


class OutOfResourcesError(StudioError):
    """Memory or disk ran out; what was made so far is kept."""


class NoSoundError(StudioError):
    """A model gave numbers that are no sound; what it gave before them is kept."""


class CancelledError(StudioError):
    """The user, a closed page or a watchdog asked the job to end."""
