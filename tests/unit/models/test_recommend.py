import pytest

from secondbasket.core.chip import Chip
from secondbasket.core.ports import EngineOptions
from secondbasket.models.catalogue import CatalogueEntry, load_catalogue
from secondbasket.models.recommend import Recommendation, recommend

GB = 10**9
OPTIONS = EngineOptions(context_tokens=4096, slots=2, threads=8, cache_mib=64)


def chip(name: str = "cpu", *, free: int = 16 * GB, bandwidth: int | None = 60 * GB) -> Chip:
    return Chip(
        id=name,
        kind="cpu",
        vendor="",
        name=name,
        cores=8,
        memory_total=free,
        memory_free=free,
        read_bandwidth=bandwidth,
    )


def judge(*chips: Chip) -> dict[str, Recommendation]:
    return {each.name: each for each in recommend(load_catalogue().values(), chips, OPTIONS)}


def test_every_model_of_the_catalogue_is_judged_with_the_command_to_get_it() -> None:
    judged = judge(chip())
    assert judged.keys() == load_catalogue().keys()
    for name, each in judged.items():
        assert each.command == f"basket model pull {name}"
        assert each.fits == (each.needed <= each.free)


def test_speed_is_bandwidth_over_what_a_token_reads() -> None:
    judged = judge(chip())
    smollm2 = judged["smollm2-135m-instruct"].tokens_per_second
    assert smollm2 == pytest.approx(0.3 * 60e9 / 98_362_432)
    experts = load_catalogue()["qwen3-30b-a3b-instruct-2507"]
    assert judged[experts.name].tokens_per_second == pytest.approx(
        0.3 * 60e9 / (experts.size * 3.3 / 30.532)
    )


def test_without_a_measurement_and_for_embeddings_no_speed_is_claimed() -> None:
    assert {each.tokens_per_second for each in judge(chip(bandwidth=None)).values()} == {None}
    assert judge(chip())["all-minilm-l6-v2"].tokens_per_second is None


def test_best_first() -> None:
    order = list(judge(chip()).values())
    sizes = {entry.name: entry.parameters for entry in load_catalogue().values()}
    groups: dict[str, list[Recommendation]] = {"ready": [], "embeds": [], "slow": [], "large": []}
    for each in order:
        if not each.fits:
            groups["large"].append(each)
        elif each.task == "embedding":
            groups["embeds"].append(each)
        else:
            assert each.tokens_per_second is not None
            groups["ready" if each.tokens_per_second >= 6 else "slow"].append(each)
    assert all(groups.values())
    assert order == [each for group in groups.values() for each in group]
    ready = [sizes[each.name] for each in groups["ready"]]
    assert ready == sorted(ready, reverse=True)
    slow = [each.tokens_per_second or 0 for each in groups["slow"]]
    assert slow == sorted(slow, reverse=True)
    large = [each.needed for each in groups["large"]]
    assert large == sorted(large)


def test_a_small_machine_is_offered_the_small_model_first() -> None:
    judged = judge(chip(free=GB, bandwidth=20 * GB))
    assert next(iter(judged)) == "smollm2-135m-instruct"
    assert not judged["qwen3-32b"].fits


def test_each_model_goes_to_the_fastest_chip_it_fits() -> None:
    judged = judge(
        chip("roomy", free=64 * GB, bandwidth=60 * GB),
        chip("fast", free=8 * GB, bandwidth=900 * GB),
    )
    assert judged["smollm2-135m-instruct"].chip == "fast"
    assert judged["qwen3-32b"].chip == "roomy"
    assert judged["qwen3-32b"].fits


def test_the_context_is_lowered_to_what_a_model_can() -> None:
    def entry(context: int) -> CatalogueEntry:
        return CatalogueEntry(
            name=f"c{context}",
            task="chat",
            format="gguf",
            sources=("file:x",),
            files={},
            size=GB,
            licence="MIT",
            parameters=GB,
            active_parameters=GB,
            layers=24,
            kv_heads=8,
            head_size=64,
            context_tokens=context,
            description="",
        )

    short, enough, long = (entry(n) for n in (1024, 4096, 131_072))
    needed = {
        each.name: each.needed for each in recommend([short, enough, long], [chip()], OPTIONS)
    }
    assert needed["c1024"] < needed["c4096"] == needed["c131072"]
