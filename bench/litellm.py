"""LiteLLM's proxy, in an environment of its own, from its own hash lock."""

import subprocess
import sys
import venv

from tools.locks import ROOT

PROGRAM = ROOT / ".cache" / "litellm" / "bin" / "litellm"
ENVIRONMENT = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
"""Prices from its own file, where it would fetch them at start."""


def install() -> None:
    """Install what the lock says; nothing where that is there."""
    lock = ROOT / "requirements" / "litellm.txt"
    home = PROGRAM.parent.parent
    stamp = home / "installed.txt"
    if stamp.exists() and stamp.read_text() == lock.read_text():
        return
    print("Installing LiteLLM's proxy into .cache/litellm", file=sys.stderr)
    venv.create(home, with_pip=True, clear=True)
    subprocess.run(
        [
            *(str(PROGRAM.with_name("python")), "-m", "pip", "install", "-qq"),
            *("--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(lock)),
        ],
        check=True,
    )
    stamp.write_text(lock.read_text())


def version() -> str:
    ask = "from importlib.metadata import version; print(version('litellm'))"
    told = subprocess.run(
        [str(PROGRAM.with_name("python")), "-c", ask], check=True, capture_output=True, text=True
    )
    return told.stdout.strip()


def command(configuration: str, port: int) -> list[str]:
    """One worker on loopback."""
    return [
        *(str(PROGRAM), "--config", configuration, "--num_workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
