"""What belongs to the page itself: its files, how the process does, its numbers."""

from __future__ import annotations

import hmac

from starlette.responses import JSONResponse, Response

from upkeep.rules.actions import Action
from upkeep.web import html
from upkeep.web.accept import preferred
from upkeep.web.routing import GET, Ask, PageError, Route

CLASSIC = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def show_file(ask: Ask) -> Response:
    """Give one of the page's files."""
    try:
        content, kind = html.static(ask.path["name"])
    except KeyError:
        raise PageError(404, "There is no such file.") from None
    return Response(content, media_type=kind, headers={"Cache-Control": "max-age=300"})


def show_health(ask: Ask) -> Response:
    """Return whether all gets on, the store too, and what does not. Whoever asks learns no more than that."""
    health = ask.setting.health()
    still = sorted(name for name, gets_on in health.items() if not gets_on)
    document = {"ok": not still, "stands_still": still}
    return JSONResponse(document, 503 if still else 200)


def show_metrics(ask: Ask) -> Response:
    """Give the numbers to who has signed in, or has the token.

    As classic text to who asks for nothing else: promtool, Telegraf and curl read it, and so does Prometheus.
    """
    if ask.setting.metrics is None:
        raise PageError(404, "This page gives no metrics.")
    given = ask.headers.get("authorization", "").removeprefix("Bearer ").encode()
    token = ask.setting.metrics_token.encode()
    if not ask.may(Action.LOOK) and not (token and hmac.compare_digest(given, token)):
        raise PageError(401, "Sign in, or send the token of UPKEEP_METRICS_TOKEN.")
    # A list may come as several headers (RFC 9110, section 5.3).
    kind = preferred(", ".join(ask.headers.getlist("accept")), (CLASSIC, OPENMETRICS))
    text = ask.setting.metrics(ask.now, kind == OPENMETRICS)
    # A cache must not give one program what another has asked for.
    return Response(text, media_type=kind, headers={"Vary": "Accept"})


ROUTES = (
    Route(GET, "/static/{name}", Action.LOOK_FROM_OUTSIDE, show_file),
    Route(GET, "/healthz", Action.LOOK_FROM_OUTSIDE, show_health, probes=True),
    Route(GET, "/metrics", Action.LOOK_FROM_OUTSIDE, show_metrics),
)
