"""Several choices of one call, each asked of the engine as a call of its own.

llama.cpp counts the tokens of one choice where it is asked for several in one
call, and a receipt has to count them all.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec

from secondbasket.core.chat import Chunk
from secondbasket.core.usage import Usage


async def merged(
    calls: Sequence[AsyncGenerator[Chunk, None]], *, per_prompt: int
) -> AsyncGenerator[Chunk, None]:
    """The chunks of all `calls` as they come, call i as choice i, the usage added up.

    Each run of `per_prompt` calls has one prompt, which is counted once. What
    one call raises ends them all.
    """
    arrived: asyncio.Queue[tuple[int, Chunk | Exception | None]] = asyncio.Queue(len(calls))

    async def listen(position: int, call: AsyncGenerator[Chunk, None]) -> None:
        try:
            async with aclosing(call):
                async for chunk in call:
                    await arrived.put((position, chunk))
        except Exception as error:  # noqa: BLE001 - whatever it was, the reader below must hear it
            await arrived.put((position, error))
        else:
            await arrived.put((position, None))

    listening = [asyncio.create_task(listen(*each)) for each in enumerate(calls)]
    usages = [Usage()] * len(calls)
    running = len(calls)
    try:
        while running:
            position, come = await arrived.get()
            if come is None:
                running -= 1
            elif isinstance(come, Exception):
                raise come
            else:
                usages[position] = come.usage or usages[position]
                choices = (msgspec.structs.replace(each, index=position) for each in come.choices)
                yield Chunk(tuple(choices), _total(usages, per_prompt))
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


def _total(usages: Sequence[Usage], per_prompt: int) -> Usage:
    """Answers add up; alternatives of one prompt share it."""
    prompts = [usages[start : start + per_prompt] for start in range(0, len(usages), per_prompt)]
    return Usage(
        input_tokens=sum(max(usage.input_tokens for usage in each) for each in prompts),
        output_tokens=sum(usage.output_tokens for usage in usages),
        cached_input_tokens=sum(min(u.cached_input_tokens for u in each) for each in prompts),
    )
