from secondbasket.chips.inventory import inventory, load_probes
from secondbasket.core.chip import Chip
from secondbasket.core.ports import ChipProbe


def chip(name: str) -> Chip:
    return Chip(id=name, kind="npu", vendor="", name=name, cores=1, memory_total=2, memory_free=1)


class Bench:
    """A probe that finds `names` and remembers whether it was asked to measure."""

    def __init__(self, name: str, *names: str) -> None:
        self.name = name
        self.names = names
        self.asked: list[bool] = []

    def probe(self, *, measure: bool) -> list[Chip]:
        self.asked.append(measure)
        return [chip(name) for name in self.names]


def test_the_built_in_probes_come_by_entry_point() -> None:
    probes = load_probes()
    assert {"cpu", "nvidia"} <= probes.keys()
    assert [each.id for each in inventory([probes["cpu"]])] == ["cpu"]
    assert list(load_probes(["nvidia"])) == ["nvidia"]


def test_all_chips_of_all_probes_in_order() -> None:
    probes: list[ChipProbe] = [first := Bench("a", "a0", "a1"), Bench("b"), Bench("c", "c0")]
    assert [each.id for each in inventory(probes)] == ["a0", "a1", "c0"]
    inventory(probes, measure=True)
    assert first.asked == [False, True]
