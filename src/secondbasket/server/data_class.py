"""The class that a caller gives its own data: it only ever raises what the key's would be."""

from starlette.types import Scope

from secondbasket.core.data_class import DataClass
from secondbasket.errors import InvalidRequest

_HEADER = b"x-basket-data-class"


def asked_class(scope: Scope) -> DataClass:
    """The highest class that the request's headers name, PUBLIC where none does.

    Raises InvalidRequest for a word that is no class: a misspelt 'secret' must not become public.
    """
    try:
        return max(
            (
                DataClass.parse(value.decode("latin-1"))
                for name, value in scope["headers"]
                if name == _HEADER
            ),
            default=DataClass.PUBLIC,
        )
    except ValueError as exc:
        raise InvalidRequest(
            f"The header x-basket-data-class is wrong: {exc}.", param="x-basket-data-class"
        ) from exc
