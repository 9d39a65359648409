"""The running product, asked over plain HTTP and through the official SDK."""

from collections.abc import Iterator

import httpx2
import openai
import pytest

from tests.running import Running


@pytest.fixture(scope="session")
def http(server: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=f"{server.url}/v1/", headers=server.headers, timeout=120, trust_env=False
    ) as client:
        yield client


@pytest.fixture(scope="session")
def sdk(server: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key=server.key, max_retries=0, timeout=120
    ) as client:
        yield client
