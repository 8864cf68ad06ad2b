"""How a service is seen from outside: its log, its health, its metrics, and how it ends.

A log line is one JSON object: an event and its fields, never a person. A service that meets
what it can't handle ends non-zero, loudly, and its supervisor starts it again; carrying on
with a memory that may be wrong is the one thing it must not do.
"""

import asyncio
import json
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

log = logging.getLogger("narvara")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up_logging(level: str) -> None:
    """One JSON object a line on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log.setLevel(level)


def note(event: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Log an event and its fields; pseudonymous ids at most, never a name or an address."""
    log.log(level, event, extra={"fields": fields})


@dataclass
class Lifeline:
    """How a service's parts say that they are ready, or that the service must end."""

    ready: Callable[[], bool] = lambda: True
    failure: BaseException | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def fail(self, error: BaseException) -> None:
        """End the service non-zero; the first error counts."""
        if self.failure is None:
            self.failure = error
            log.critical("service ends", exc_info=error)
        self._ended.set()

    async def guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some work of the service's; whatever escapes it ends the service."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, the process must end by it
            self.fail(error)

    async def ended(self) -> None:
        await self._ended.wait()


def service_app(
    lifeline: Lifeline,
    running: Callable[[], AbstractAsyncContextManager[None]],
    routes: list[BaseRoute] | None = None,
) -> Starlette:
    """An ASGI app that runs a service for as long as it is served.

    `/healthz`: the process lives and has not failed. `/readyz`: it does its work.
    `/metrics`: Prometheus. `running` is entered at start and left at a stop.
    """

    async def health(_: Request) -> Response:
        if lifeline.failure is not None:
            return PlainTextResponse("failed\n", status_code=503)
        return PlainTextResponse("ok\n")

    async def readiness(_: Request) -> Response:
        ready = lifeline.failure is None and lifeline.ready()
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    async def metrics_page(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with running():
            yield

    app = Starlette(
        routes=[
            Route("/healthz", health),
            Route("/readyz", readiness),
            Route("/metrics", metrics_page),
            *(routes or []),
        ],
        lifespan=lifespan,
    )
    app.state.lifeline = lifeline
    return app


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they are done.

    Once is not enough before Python 3.12: `asyncio.wait_for`, in which redis-py sends, swallows a
    cancellation that comes when the sending is already done.
    """
    for task in tasks:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.5)


class _Server(uvicorn.Server):
    """uvicorn, but a stop by signal ends the process normally instead of by that signal."""

    @contextmanager
    def capture_signals(self) -> Any:
        loop = asyncio.get_running_loop()
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True


def serve(app: Starlette, host: str, port: int) -> int:
    """Run a service until it is told to stop (0) or fails (1). Port 0: any free one."""
    lifeline: Lifeline = app.state.lifeline

    async def run() -> None:
        server = _Server(
            uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False)
        )

        async def watch() -> None:
            await lifeline.ended()
            server.should_exit = True

        watching = asyncio.create_task(watch())
        await server.serve()
        await end(watching)
        if not server.started and lifeline.failure is None:
            lifeline.failure = RuntimeError("the service did not start")

    asyncio.run(run())
    return 0 if lifeline.failure is None else 1
