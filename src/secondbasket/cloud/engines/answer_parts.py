"""What a model writes into one stream of text, taken apart: thoughts, words and tool calls.

The marks are those of the Qwen family, which others have taken over:
``<think>…</think>`` at the beginning, ``<tool_call>{…}</tool_call>`` anywhere.
"""

import json
import secrets
from typing import Any

from secondbasket.cloud.engines.answer_text import beginning_at_end

_THINK, _THOUGHT = "<think>", "</think>"
_CALL, _CALLED = "<tool_call>", "</tool_call>"

Delta = dict[str, Any]
"""A fragment of an answer as the OpenAI wire's `delta` has it."""


class AnswerParts:
    """`thinking`: the prompt ended inside a thought. `tools`: calls are looked for.

    A call is told when it is whole. One that is no JSON of a name and
    arguments is shown as the text it is. `calls` counts those told.
    """

    def __init__(self, *, thinking: bool, tools: bool) -> None:
        self._mode = _THINK if thinking else ""
        self._tools = tools
        self._held = ""
        self._begun = thinking
        self._after_thought = False
        self.calls = 0

    def feed(self, text: str) -> list[Delta]:
        """The fragments that `text` makes certain."""
        deltas: list[Delta] = []
        self._held += text
        while self._advance(deltas):
            pass
        return deltas

    def rest(self) -> list[Delta]:
        """The fragments of what was held back, now that no more comes."""
        held, self._held = self._held, ""
        if self._mode == _CALL:
            return [self._call(held, closed=False)]
        return self._plain(held)

    def _advance(self, deltas: list[Delta]) -> bool:
        """Take one step through what is held; False where more text is needed for the next."""
        marks = self._marks()
        found = [(place, mark) for mark in marks if (place := self._held.find(mark)) >= 0]
        if not found:
            if self._mode != _CALL:
                certain = len(self._held) - beginning_at_end(self._held, marks)
                deltas += self._plain(self._held[:certain])
                self._held = self._held[certain:]
            return False
        place, mark = min(found)
        before, self._held = self._held[:place], self._held[place + len(mark) :]
        if mark == _CALLED:
            deltas.append(self._call(before, closed=True))
        else:
            deltas += self._plain(before)
        self._after_thought = mark == _THOUGHT
        self._mode = mark if mark in (_THINK, _CALL) else ""
        self._begun = True
        return True

    def _marks(self) -> list[str]:
        if self._mode == _THINK:
            return [_THOUGHT]
        if self._mode == _CALL:
            return [_CALLED]
        opening = [_CALL] if self._tools else []
        if not self._begun and _THINK.startswith(self._held[: len(_THINK)]):
            opening.append(_THINK)
        return opening

    def _plain(self, text: str) -> list[Delta]:
        if self._mode == _THINK:
            return [{"reasoning_content": text}] if text else []
        if self._after_thought:
            # Models leave empty lines between a thought and what they say.
            text = text.lstrip()
        if not text:
            return []
        self._begun = True
        self._after_thought = False
        return [{"content": text}]

    def _call(self, text: str, *, closed: bool) -> Delta:
        try:
            call = json.loads(text)
            name, arguments = call["name"], call.get("arguments", {})
        except (ValueError, TypeError, KeyError):
            return {"content": f"{_CALL}{text}{_CALLED if closed else ''}"}
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        self.calls += 1
        return {
            "tool_calls": [
                {
                    "index": self.calls - 1,
                    "id": f"call_{secrets.token_hex(12)}",
                    "type": "function",
                    "function": {"name": str(name), "arguments": arguments},
                }
            ]
        }
