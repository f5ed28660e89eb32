"""Refusals as Kubernetes `Status` objects."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

_REASONS = {
    400: "BadRequest",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    422: "Invalid",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class Refusal(Exception):
    """Ends a request with a `Status`. ``details``: of the object it is about."""

    def __init__(self, code: int, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.details = code, message, details or {}


def status(code: int, message: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    """The body of a refusal."""
    body: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": _REASONS.get(code, "Unknown"),
        "code": code,
    }
    if details:
        body["details"] = details
    return body


def install(app: FastAPI) -> None:
    """Make every error answer of the app a `Status`."""

    async def refusal(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refusal)
        return JSONResponse(status(error.code, error.message, error.details), error.code)

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        message = {
            404: "the server could not find the requested resource",
            405: f"the server does not allow {request.method} here: this API is read-only",
        }.get(error.status_code, str(error.detail))
        headers = {"Allow": "GET"} if error.status_code == 405 else None
        return JSONResponse(status(error.status_code, message), error.status_code, headers)

    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        faults = "; ".join(f"{'.'.join(str(part) for part in fault['loc'][1:])}: {fault['msg']}" for fault in error.errors())
        return JSONResponse(status(422, faults), 422)

    async def unexpected(_request: Request, _error: Exception) -> JSONResponse:
        # The server logs the exception; its text is none of the caller's business.
        return JSONResponse(status(500, "internal error"), 500)

    app.add_exception_handler(Refusal, refusal)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)
