"""How a body of the OpenAI wire is read: strictly where we know a field, whole where we do not."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from secondbasket.errors import InvalidRequest, UnsupportedField

Wire = TypeVar("Wire", bound=msgspec.Struct)

MAX_ITEMS = 2048
"""Most messages, prompts or inputs of one call; OpenAI's own limit for embeddings."""
MAX_PARTS = 16_384
"""Most parts of all messages together: each costs us, and an engine's template far more."""

# Fields by which a caller could choose the engine's slot, adapter, cache, template or limits,
# hand it a grammar past our bounds (`response_format` and `tools` are the way), have it write
# more than is counted, send the call and its credentials somewhere else, or choose for the
# operator what a provider keeps, adds or charges. They belong to the operator.
STEERING = frozenset(
    """
    adapter add_generation_prompt api_base api_key api_type api_version base_url cache_prompt
    chat_template continue_final_message custom_llm_provider data_sources endpoint extra_body
    extra_headers grammar grammar_lazy grammar_triggers headers id_slot json_schema lora
    lora_adapters models n_cache_reuse n_cmpl n_discard n_keep n_predict n_probs plugins
    post_sampling_probs prefill_assistant provider reasoning_format response_fields return_tokens
    route service_tier slot_id store timings_per_token transforms web_search_options
    """.split()
)
_STEERING_PREFIXES = ("speculative.", "x-basket-")

_PATH = re.compile(r" - at `\$(?P<path>[^`]*)`$")


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises InvalidRequest or UnsupportedField."""
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(
            f"The body is not valid JSON: {exc}.", hint="Send one JSON object."
        ) from exc
    except RecursionError as exc:
        raise InvalidRequest("The body is nested too deeply.") from exc
    if not isinstance(raw, dict):
        raise InvalidRequest("The body must be a JSON object.")
    for name in raw:
        if name in STEERING or name.startswith(_STEERING_PREFIXES):
            raise UnsupportedField(
                f"The field '{name}' steers the engine or the route and is not a caller's to set.",
                hint="Remove it; the operator sets this in basket.toml.",
                param=name,
            )
    return raw


def convert(raw: Mapping[str, Any], wire: type[Wire]) -> Wire:
    """`raw` as `wire`, every known field checked. Raises InvalidRequest naming the field."""
    try:
        return msgspec.convert(raw, wire)
    except msgspec.ValidationError as exc:
        text = str(exc)
        where = _PATH.search(text)
        path = where["path"].lstrip(".") if where else None
        told = _PATH.sub("", text)
        if path is None and (missing := re.search(r"required field `(\w+)`", text)):
            path = missing[1]
        raise InvalidRequest(
            f"{told}{f' in {path}' if path else ''}.".replace("`", "'"), param=path
        ) from exc


def at_most(raw: Mapping[str, Any], name: str) -> None:
    """Refuse a list of more than MAX_ITEMS before its items cost anything; token ids are cheap."""
    items = raw.get(name)
    if isinstance(items, list) and len(items) > MAX_ITEMS and not isinstance(items[0], int):
        raise InvalidRequest(
            f"'{name}' has {len(items)} items; at most {MAX_ITEMS} are read.", param=name
        )


def parts_at_most(raw: Mapping[str, Any]) -> None:
    """Refuse messages of more than MAX_PARTS parts together, before they cost anything."""
    messages = raw.get("messages")
    if not isinstance(messages, list):
        return
    contents = (each.get("content") for each in messages if isinstance(each, dict))
    parts = sum(len(content) for content in contents if isinstance(content, list))
    if parts > MAX_PARTS:
        raise InvalidRequest(
            f"The messages have {parts} parts; at most {MAX_PARTS} are read.", param="messages"
        )


def unknown(raw: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The fields of `raw` that we do not know: they travel on to the same wire only."""
    if raw.keys() <= known:
        return {}
    return {name: value for name, value in raw.items() if name not in known}


def field_names(wire: type[msgspec.Struct]) -> frozenset[str]:
    """Names of `wire`'s fields as the wire spells them."""
    return frozenset(field.encode_name for field in msgspec.structs.fields(wire))
