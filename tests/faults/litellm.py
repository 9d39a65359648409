"""LiteLLM's proxy in front of the faults, set up as its documentation says for reliability.

One process, a master key, no database (it cannot be set up offline; that is in its favour),
telemetry off. Behind every model name one deployment, and a second one as its fallback.
"""

import contextlib
import json
import secrets
from collections.abc import Iterator

from bench import litellm
from bench.processes import WORK, free_port, running, wait_for
from tests.faults.cases import Case, Pair
from tests.faults.server import Upstream
from tests.faults.target import Target
from tests.faults.wire import Kind

RETRIES = 2
_PREFIXES: dict[Kind, str] = {
    "chat": "openai",
    "completion": "text-completion-openai",
    "embeddings": "openai",
}


def configuration(cases: list[Case], pairs: dict[str, Pair], *, seconds: float, key: str) -> str:
    """Its settings file. JSON, which is YAML too."""
    models = []
    for case in cases:
        pair = pairs[case.model]
        models.append(_deployment(case.model, case.kind, pair.first, seconds))
        models.append(_deployment(f"{case.model}-second", case.kind, pair.second, seconds))
    return json.dumps(
        {
            "model_list": models,
            "router_settings": {
                "num_retries": RETRIES,
                "timeout": seconds,
                "stream_timeout": seconds,
                "fallbacks": [{case.model: [f"{case.model}-second"]} for case in cases],
            },
            "litellm_settings": {"telemetry": False, "request_timeout": seconds},
            "general_settings": {"master_key": key},
        },
        indent=1,
    )


def _deployment(name: str, kind: Kind, upstream: Upstream, seconds: float) -> dict[str, object]:
    prefix = "anthropic" if upstream.wire == "anthropic" else _PREFIXES[kind]
    base = upstream.base_url
    return {
        "model_name": name,
        "litellm_params": {
            "model": f"{prefix}/scripted",
            "api_base": base.removesuffix("/v1") if prefix == "anthropic" else base,
            "api_key": "none",
            "timeout": seconds,
            "stream_timeout": seconds,
        },
        "model_info": {"mode": "embedding" if kind == "embeddings" else "chat"},
    }


@contextlib.contextmanager
def proxy(cases: list[Case], pairs: dict[str, Pair], *, seconds: float) -> Iterator[Target]:
    """The proxy, ready, for the length of the block."""
    port, key = free_port(), f"sk-{secrets.token_urlsafe(32)}"
    WORK.mkdir(parents=True, exist_ok=True)
    file = WORK / "faults-litellm.yaml"
    file.write_text(configuration(cases, pairs, seconds=seconds, key=key))
    command = litellm.command(str(file), port)
    with running("faults-litellm", command, litellm.ENVIRONMENT) as process:
        wait_for(f"http://127.0.0.1:{port}/health/liveliness", process)
        yield Target(f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {key}"})
