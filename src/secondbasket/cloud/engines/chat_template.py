"""A model's own chat template, rendered where it can reach nothing and change nothing."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class TemplateRefused(Exception):
    """The template does not render this conversation; the text says what it said."""


class ChatTemplate:
    """`source` is Jinja as Hugging Face means it; `bos` and `eos` are the texts it may name.

    Raises TemplateRefused where `source` is no template.
    """

    def __init__(self, source: str, *, bos: str, eos: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = _now
        try:
            self._template = environment.from_string(source)
        except TemplateError as exc:
            raise TemplateRefused(f"the chat template cannot be read: {exc}") from exc
        self._words = {"bos_token": bos, "eos_token": eos}

    def prompt(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        switches: Mapping[str, Any] = {},
    ) -> str:
        """The text that the model is to go on from.

        `messages` have plain texts as their content. Where the last one is the
        assistant's, the model goes on in the middle of it: its turn is opened,
        not closed, and nothing stands behind its last character.
        """
        begun = ""
        if messages and messages[-1]["role"] == "assistant" and not messages[-1].get("tool_calls"):
            begun = messages[-1]["content"]
            messages = messages[:-1]
        try:
            rendered = self._template.render(
                messages=messages,
                tools=list(tools) or None,
                add_generation_prompt=True,
                **self._words,
                **switches,
            )
        # Python's own errors come out of a template's expressions as they are.
        except (TemplateError, TypeError, ValueError, KeyError, IndexError, ArithmeticError) as exc:
            raise TemplateRefused(f"the model's chat template refuses this: {exc}") from exc
        return rendered + begun


def _to_json(value: Any, indent: int | None = None) -> str:
    """As it is written, not escaped for HTML as Jinja's own filter does."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
