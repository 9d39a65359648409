"""What data may leave, and for where: ``[policy]`` and its rules."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from secondbasket.settings.section import Section

ClassLabel = Literal["public", "internal", "confidential", "secret"]
_Names = tuple[str, ...] | None


class RuleTable(Section):
    """What an upstream must be to see data of some classes: ``[policy.rules.NAME]``."""

    classes: Annotated[tuple[ClassLabel, ...], Field(min_length=1)] = Field(
        description="The classes it binds: public, internal, confidential, secret. A class that"
        " no rule names is bound by the built-in one."
    )
    laws: _Names = Field(
        default=None, description="Laws that may control the upstream, such as 'DE'."
    )
    vendors: _Names = Field(default=None, description="Vendors that may sell the answer.")
    operators: _Names = Field(default=None, description="Who may run its machines.")
    locations: _Names = Field(default=None, description="Where its machines may stand.")
    providers: _Names = Field(
        default=None,
        description="Names under [providers] that may answer; 'local' is this machine.",
    )

    @model_validator(mode="after")
    def _asks_something(self) -> "RuleTable":
        if all(value is None for name, value in self if name != "classes"):
            raise ValueError(
                "a rule needs at least one of laws, vendors, operators, locations, providers"
            )
        return self


class PolicySettings(Section):
    """What a request counts as, and who may see it."""

    default_class: ClassLabel = Field(
        default="internal", description="What every request counts as at least."
    )
    detect: bool = Field(
        default=True,
        description="Look into texts for what makes them sensitive; findings only raise a class.",
    )
    unread_class: ClassLabel = Field(
        default="confidential",
        description="What a request counts as at least when it has parts that the detectors cannot"
        " read: images, sounds, files, token ids.",
    )
    detectors: dict[str, Literal["public", "internal", "confidential", "secret", "off"]] = Field(
        default_factory=dict,
        description="What a detector's findings raise a request to, by the detector's name, where"
        " not to its own class; 'off' switches it off.",
    )
    rules: dict[str, RuleTable] = Field(
        default_factory=dict,
        description="Who may see data of a class, by the rule's name. All rules that name a class"
        " must agree. Without one, confidential and secret data stays on your own machines.",
    )
