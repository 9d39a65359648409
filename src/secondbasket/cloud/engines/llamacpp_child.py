"""The process that is llama.cpp's server, started as ``python -m`` by its engine.

It imports nothing beyond xllamacpp: what is imported here is paid for in
memory by every replica.
"""

import signal
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

from xllamacpp import CommonParams, Server

from secondbasket.cloud.engines import lifeline

_ERRORS_ONLY = 1


def parameters(configuration: dict[str, Any]) -> CommonParams:
    """llama.cpp's own words for one replica that listens on a free loopback port."""
    params = CommonParams()
    params.model.path = configuration["weights"]
    params.model_alias = {configuration["alias"]}

    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [configuration["api_key"]]
    # A browser page must not talk to an engine: without a value the header allows no origin.
    params.cors_origins = ""
    params.cors_origins_explicit = True
    params.cors_credentials = False
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_metrics = True
    params.offline = True

    # Slots own their part of the cache instead of sharing one (kv_unified), so that
    # what one call is promised does not depend on how long its neighbours are.
    params.n_parallel = configuration["slots"]
    params.n_ctx = configuration["context_tokens"] * configuration["slots"]
    params.kv_unified = False
    params.ctx_shift = False
    # What fits was decided before; llama.cpp would quietly shrink the context instead.
    params.fit_params = False

    # Host memory for prompts of finished calls; its default would be 8 GiB.
    params.cache_ram_mib = configuration["cache_mib"]
    params.cache_idle_slots = False

    if configuration["task"] == "embedding":
        params.embedding = True
        # Encoders look at a whole input at once, so that it must fit one physical batch.
        params.n_batch = params.n_ubatch = configuration["context_tokens"]

    params.cpuparams.n_threads = configuration["threads"]
    params.cpuparams_batch.n_threads = configuration["threads"]
    params.warmup = True
    params.verbosity = _ERRORS_ONLY
    return params


def main() -> None:
    configuration = lifeline.begin()
    try:
        server = Server(parameters(configuration))
    except RuntimeError:
        sys.exit(1)  # llama.cpp wrote the cause to standard error
    # llama.cpp's handlers would stop its server and leave this process behind.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    port = urlsplit(server.listening_address).port
    assert port is not None
    lifeline.announce(port)
    threading.Event().wait()


if __name__ == "__main__":
    main()
