"""The review page inside Airflow: who is logged in, who of them may look, and what is sent with every answer.

Every route asks for a user of Airflow (401 without) who reviews pairs by the charter (403 for anybody else). Forms
carry a token that only this browser's session with this user can have. No answer is kept by a browser or a proxy, and
no failure repeats what a driver said.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.configuration import conf
from fastapi import Depends, FastAPI, Form, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from kinbridge.errors import KinbridgeError
from kinbridge.orchestration.connections import STEWARD, warehouse
from kinbridge.orchestration.guard import unexpected
from kinbridge.review import page
from kinbridge.review.desk import Desk, desk_of
from kinbridge.review.look import look_at
from kinbridge.review.queue import after, counts, waiting
from kinbridge.review.reviewer import reviewer_of
from kinbridge.review.terms import read_terms
from kinbridge.review.verdict import concord, decide, history, withdraw
from kinbridge.warehouse.connection import transaction

log = logging.getLogger("kinbridge")

SESSION = "kinbridge_review"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; frame-ancestors 'self'; "
        "base-uri 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
# What a reviewer can mend by another answer, and what is not there.
AGAIN = frozenset({"KB-K40", "KB-K65"})
NOT_THERE = frozenset({"KB-K42", "KB-K63"})


class Decision(BaseModel):
    """What the form of a pair sends."""

    look: int
    token: str
    verdict: str = ""
    reason: str = ""


def a_reviewer(user: GetUserDep) -> Desk:
    """The desk of the user, if the charter has them among those who review pairs; 403 for anybody else."""
    terms = read_terms()
    who = {"id": user.get_id(), "name": user.get_name()}
    reviewer = reviewer_of(who, terms, datetime.now(UTC).date())
    if reviewer is None:
        raise HTTPException(HTTPStatus.FORBIDDEN)
    return desk_of(warehouse(STEWARD), reviewer, terms)


ReviewerDesk = Annotated[Desk, Depends(a_reviewer)]


def review_app() -> FastAPI:
    """The application; Airflow mounts it where `kinbridge_plugin.py` says."""
    app = FastAPI(title="Review of pairs", docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(_shielded)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _not_found)
    app.add_exception_handler(KinbridgeError, _failed)
    app.get("/")(show_queue)
    app.get("/next")(show_next)
    app.get("/pair/{pair_id}")(show_pair)
    app.post("/pair/{pair_id}")(take_down)
    app.get("/decided")(show_decided)
    app.post("/decided/{decision_id}/withdraw")(take_back)
    app.get("/static/{name}")(show_static)
    return app


def show_queue(request: Request, desk: ReviewerDesk) -> Response:
    """What waits, in its order; no values."""
    with transaction(desk.dsn) as connection:
        found, pairs = counts(connection, desk), waiting(connection, desk, most=page.LISTED)
    return HTMLResponse(page.queue_page(_base(request), desk, found, pairs))


def show_next(
    request: Request,
    desk: ReviewerDesk,
    left_alone: Annotated[int | None, Query(alias="after")] = None,
    done: int | None = None,
) -> Response:
    """On to the first pair, or to the one that follows; back to the queue when none does."""
    with transaction(desk.dsn) as connection:
        pair_id = after(connection, desk, left_alone)
    suffix = f"?done={done}" if done is not None else ""
    where = f"{_base(request)}/pair/{pair_id}{suffix}" if pair_id is not None else f"{_base(request)}/"
    return RedirectResponse(where, HTTPStatus.SEE_OTHER)


def show_pair(request: Request, desk: ReviewerDesk, pair_id: int, done: int | None = None) -> Response:
    """A look at a pair."""
    return _pair(request, desk, pair_id, done=done)


def take_down(request: Request, desk: ReviewerDesk, pair_id: int, form: Annotated[Decision, Form()]) -> Response:
    """Take a decision down, and go on; what the reviewer can mend is asked again."""
    _own_form(request, desk, form.token, f"pair {pair_id}")
    try:
        decision = decide(desk, pair_id, form.look, form.verdict, form.reason)
    except KinbridgeError as error:
        if error.code not in AGAIN:
            raise
        kept = {"verdict": form.verdict, "reason": "" if error.code == "KB-K65" else form.reason}
        return _pair(request, desk, pair_id, problem=str(error), given=kept)
    # A pair in dispute may stay in dispute; even so the reviewer goes on.
    return RedirectResponse(f"{_base(request)}/next?after={pair_id}&done={decision}", HTTPStatus.SEE_OTHER)


def show_decided(request: Request, desk: ReviewerDesk) -> Response:
    """Past decisions, and how far reviewers agree."""
    with transaction(desk.dsn) as connection:
        rates = concord(connection)
    session = _session(request)
    token = _token(session, desk, "withdraw")
    shown = page.decided_page(_base(request), desk, history(desk), rates, token)
    return _with_session(request, HTMLResponse(shown), session)


def take_back(
    request: Request,
    desk: ReviewerDesk,
    decision_id: int,
    token: Annotated[str, Form()],
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Withdraw a decision."""
    _own_form(request, desk, token, "withdraw")
    withdraw(desk, decision_id, reason)
    return RedirectResponse(f"{_base(request)}/decided#d{decision_id}", HTTPStatus.SEE_OTHER)


def show_static(name: str, desk: ReviewerDesk) -> Response:
    """The pages' own stylesheet and script."""
    del desk
    found = page.static_file(name)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return Response(found[0], media_type=found[1])


def _pair(request: Request, desk: Desk, pair_id: int, **more: Any) -> Response:
    look = look_at(desk, pair_id)
    session = _session(request)
    shown = page.pair_page(_base(request), desk, look, _token(session, desk, f"pair {pair_id}"), **more)
    return _with_session(request, HTMLResponse(shown), session)


def _base(request: Request) -> str:
    """Where the application is mounted, behind whatever prefix Airflow has."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _session(request: Request) -> str:
    """What marks this browser: its cookie, or a new one."""
    return request.cookies.get(SESSION) or secrets.token_urlsafe(32)


def _with_session(request: Request, response: Response, session: str) -> Response:
    if request.cookies.get(SESSION) != session:
        secure = conf.get("api", "base_url", fallback="").startswith("https:") or request.url.scheme == "https"
        response.set_cookie(SESSION, session, path=_base(request), httponly=True, samesite="strict", secure=secure)
    return response


def _token(session: str, desk: Desk, purpose: str) -> str:
    """What a form of this purpose carries for this reviewer in this browser."""
    key = str(conf.get("api", "secret_key")).encode()
    text = "\n".join(("kinbridge review", session, desk.reviewer.id, purpose))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _own_form(request: Request, desk: Desk, token: str, purpose: str) -> None:
    """Refuse a form that another site sent, or that was not made for this reviewer in this browser."""
    session = request.cookies.get(SESSION)
    sent_from = request.headers.get("Sec-Fetch-Site", "same-origin")
    wanted = _token(session, desk, purpose) if session else ""
    if not session or sent_from != "same-origin" or not hmac.compare_digest(token.encode(), wanted.encode()):
        raise HTTPException(HTTPStatus.FORBIDDEN, "This form was not made for you here. Open the page again.")


async def _shielded(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """The headers of every answer; of an unexpected failure its kind and place, never its text."""
    try:
        response = await call_next(request)
    except Exception as error:
        log.error("%s", failure := unexpected(error, "the review page"))
        response = await _failed(request, failure)
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    texts = {
        HTTPStatus.UNAUTHORIZED: "Log in to Airflow first.",
        HTTPStatus.FORBIDDEN: "Pairs are shown to those only whom the charter names as their reviewers.",
        HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    }
    own = error.detail if error.detail and error.detail != status.phrase else None
    text = own if own and status is HTTPStatus.FORBIDDEN else texts.get(status, status.phrase)
    return HTMLResponse(page.error_page(_base(request), status.phrase, text), status)


async def _not_found(request: Request, error: Exception) -> Response:
    del error  # it repeats what was sent
    return await _refused(request, HTTPException(HTTPStatus.NOT_FOUND))


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, KinbridgeError)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    if error.code in NOT_THERE:
        status = HTTPStatus.NOT_FOUND
    elif error.code in AGAIN or error.code == "KB-K66":
        status = HTTPStatus.CONFLICT
    elif error.code in {"KB-K62", "KB-K64"}:
        status = HTTPStatus.FORBIDDEN
    return HTMLResponse(page.error_page(_base(request), *page.text_of(error)), status)


app = review_app()
