"""What goes wrong with a call of /v1, as programs that were written for the well-known service read it."""

from __future__ import annotations

from starlette.responses import JSONResponse

from studio.core.errors import InvalidRequestError, OutOfResourcesError, StudioError

CODES = {
    400: "bad_request",
    401: "invalid_api_key",
    404: "not_found",
    409: "conflict",
    413: "request_too_large",
    422: "invalid_request",
    429: "too_many_concurrent_requests",
    500: "generation_failed",
}


class RefusedError(Exception):
    """A call that is not answered: the HTTP status, and one sentence."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        """`code` is the word for programs; by default the status'."""
        super().__init__(message)
        self.status = status
        self.code = code or CODES[status]

    @classmethod
    def of(cls, error: StudioError) -> RefusedError:
        """Of what the studio says before a take is begun."""
        if isinstance(error, OutOfResourcesError):
            return cls(429, str(error))
        return cls(422 if isinstance(error, InvalidRequestError) else 404, str(error))

    def response(self) -> JSONResponse:
        """`{"detail": {"status": …, "message": …}}`."""
        asks = {"WWW-Authenticate": 'Basic realm="Longwave"'} if self.status == 401 else None
        return JSONResponse({"detail": {"status": self.code, "message": str(self)}}, self.status, asks)
