from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

SOURCE = Path(__file__).parents[1] / "src"


@pytest.fixture(scope="session")
def service_url(db_url: str, db_name: str) -> Iterator[str]:
    """The service as it is deployed: a process of its own, with a client of its own."""
    environment = {"MONGODB_URL": db_url, "MONGODB_DATABASE": db_name}
    # Listening from the start: whoever calls before the service is ready waits, and any port that
    # is free stays so.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        served = [f"--fd={listener.fileno()}", f"--app-dir={SOURCE}", "--log-level=warning"]
        service = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--factory", "notes_api:create_app", *served],
            env={**os.environ, **environment},
            pass_fds=[listener.fileno()],
        )
    yield f"http://127.0.0.1:{port}"
    service.terminate()
    assert service.wait(10) in (0, -signal.SIGTERM)  # and not for a reason of its own before


@pytest.fixture(scope="session")
def http(service_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service_url, timeout=30) as client:
        yield client
