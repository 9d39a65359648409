from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.core.merkle import leaf, root

# The leaves and roots of the reference trees of certificate transparency.
LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(1, len(LEAVES) + 1))
def test_roots_are_those_of_the_reference_trees(size: int) -> None:
    assert root(leaf(bytes.fromhex(text)) for text in LEAVES[:size]).hex() == ROOTS[size - 1]


def test_the_root_over_nothing_is_the_hash_of_nothing() -> None:
    assert root([]) == sha256(b"").digest()


def rfc_6962(leaves: list[bytes]) -> bytes:
    """The definition, word for word."""
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return sha256(b"\x01" + rfc_6962(leaves[:split]) + rfc_6962(leaves[split:])).digest()


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70))
def test_any_tree_is_as_defined(leaves: list[bytes]) -> None:
    assert root(map(leaf, leaves)) == rfc_6962(leaves)
