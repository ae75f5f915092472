"""The description of the interface is complete and true, and no request is an internal error."""

import re
from pathlib import Path

import pytest
from starlette.routing import Route

from tests.serve.servers import motion
from tracker.serve.app import _routes
from tracker.serve.build import ServeRequest, build_context
from tracker.serve.endpoints import openapi_document
from tracker.serve.settings import ServeSettings

PAGE = {"/", "/static/{file}"}


def described() -> set[str]:
    """The requests that the document describes: `GET /api/sources`."""
    return {
        f"{method.upper()} {path}"
        for path, item in openapi_document()["paths"].items()
        for method in item
        if method != "parameters"
    }


def _without_types(path: str) -> str:
    return re.sub(r":\w+\}", "}", path)


def test_every_route_is_described_and_no_other() -> None:
    routes = [route for route in _routes() if isinstance(route, Route)]
    served = {
        f"{method} {_without_types(route.path)}"
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
        if route.path not in PAGE
    }
    assert served == described()


@pytest.mark.slow
def test_no_request_is_an_internal_error(clip: Path, tmp_path: Path) -> None:
    import hypothesis
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import response_schema_conformance

    from tracker.serve.app import application

    settings = ServeSettings(zones=str(tmp_path / "{name}.yaml"), allowed_hosts=("testserver",))
    context = build_context(ServeRequest((str(clip),), motion(), settings))
    try:
        schema = schemathesis.openapi.from_asgi("/api/openapi.json", application(context))
        endless = "^(/api/events|/stream/.*)$"
        labels = []
        for found in schema.exclude(path_regex=endless).get_all_operations():
            operation = found.ok()

            @hypothesis.seed(1)
            @hypothesis.settings(
                max_examples=40,
                deadline=None,
                database=None,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            @hypothesis.given(case=operation.as_strategy())
            def check(case: schemathesis.Case) -> None:
                answer = case.call()
                if answer.status_code in {503, 507}:  # They say what is: a source that failed.
                    return
                checks = [not_a_server_error, response_schema_conformance]
                case.validate_response(answer, checks=checks)

            check()
            labels.append(operation.label)
        endless_ones = {"GET /api/events", "GET /stream/{name}.mjpg"}
        # It does not ask for the document again.
        assert set(labels) == described() - endless_ones - {"GET /api/openapi.json"}
    finally:
        context.close()
