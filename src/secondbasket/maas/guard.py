"""What each request's data counts as and who may see it, with every refusal on record.

The policy decides; this knows whose request it is, looks into long texts on a
worker thread, and follows the settings when they are read again.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial

import anyio
import msgspec
from anyio import to_thread

from secondbasket.core.data_class import DataClass
from secondbasket.core.decision import Decision
from secondbasket.core.key import Key
from secondbasket.core.ports import UpstreamFacts
from secondbasket.maas.account import Account
from secondbasket.maas.demand import Request
from secondbasket.policy.classification import Classification
from secondbasket.policy.policy import Policy
from secondbasket.policy.texts import Texts, texts_of
from secondbasket.policy.verdict import Verdict

# Looked into at once: it takes less than a hundred microseconds, and handing it to a thread
# takes as long. design/policy.md has the figures.
_AT_ONCE_CHARACTERS = 1024
_THREADS = 4
_CLASSES = {each.label: each for each in DataClass}


class Guard:
    """`projects` maps the configured ones to their class; `record` hears of every refusal, and
    `refused` its class: neither blocks."""

    def __init__(
        self,
        policy: Policy,
        projects: Mapping[str, DataClass],
        *,
        record: Callable[[Decision], None],
        refused: Callable[[DataClass], None],
    ) -> None:
        self._policy = policy
        self._projects = projects
        self._record = record
        self._refused = refused
        self._threads = anyio.CapacityLimiter(_THREADS)

    @property
    def projects(self) -> Collection[str]:
        """The names of the configured projects."""
        return self._projects.keys()

    def follow(self, policy: Policy, projects: Mapping[str, DataClass]) -> None:
        """Have another policy in force from now on; calls under way ask it for their next hop."""
        self._policy = policy
        self._projects = projects

    async def classify(
        self,
        key: Key | None,
        request: Request,
        asked: DataClass = DataClass.PUBLIC,
        *,
        project: str | None = None,
    ) -> Classification:
        """What `request` counts as. `asked` is the least that whoever sent it wants.

        `project` is that of the key where there is one.
        """
        policy = self._policy
        texts = texts_of(request) if policy.looks else Texts("")
        return await self._look(policy, texts, self._floor(key, asked, project))

    async def reclassify(self, classification: Classification, text: str) -> Classification:
        """What a call counts as once `text`, which was answered so far, goes on to others."""
        policy = self._policy
        if not policy.looks:
            return classification
        floor = {"request": classification.data_class}
        more = await self._look(policy, Texts(text), floor)
        if more.data_class == classification.data_class:
            return classification
        return msgspec.structs.replace(
            more,
            sources={**classification.sources, "answer": more.data_class},
            findings=(*classification.findings, *more.findings),
            unread=classification.unread,
        )

    async def _look(
        self, policy: Policy, texts: Texts, floor: Mapping[str, DataClass]
    ) -> Classification:
        look = partial(policy.classify, texts, floor)
        if len(texts.text) <= _AT_ONCE_CHARACTERS:
            return look()
        return await to_thread.run_sync(look, limiter=self._threads)

    def judge(self, data_class: DataClass, facts: UpstreamFacts) -> Verdict:
        """May an upstream see data of this class, by the policy in force now?"""
        return self._policy.judge(data_class, facts)

    def forbids(self, data_class: DataClass, facts: UpstreamFacts) -> str | None:
        """The rule that keeps data of this class from an upstream; None where none does."""
        verdict = self._policy.judge(data_class, facts)
        return None if verdict.allowed else verdict.rule

    def held_back(
        self, account: Account, classification: Classification, rules: Mapping[str, str]
    ) -> None:
        """Put on record that a request was not answered although upstreams were there.

        `rules` says for each of those which rule kept it from them.
        """
        data_class = account.data_class
        self._refused(data_class)
        self._record(
            Decision(
                kind="policy",
                subject=account.request_id,
                outcome="refused",
                detail={
                    "key": account.key.id,
                    "basket": account.basket,
                    "data_class": data_class.label,
                    "raised_by": ", ".join(classification.raised_by),
                    "found": told(classification),
                    "rules": "; ".join(f"{name}: {rule}" for name, rule in rules.items()),
                    "asked": ", ".join(each.facts.name for each in account.attempts) or "nobody",
                },
            )
        )

    def _floor(
        self, key: Key | None, asked: DataClass, project: str | None
    ) -> dict[str, DataClass]:
        floor = {}
        if key is not None:
            floor["key"] = _CLASSES[key.data_class]
            project = key.project
        if project is not None:
            # A project that is configured no more has lost its class, not its data.
            floor["project"] = self._projects.get(project, DataClass.SECRET)
        if asked is not DataClass.PUBLIC:
            floor["header"] = asked
        return floor


def told(classification: Classification) -> str:
    """What was found, by kind and number, never itself: 'iban 2, phone_number 1'."""
    found = [f"{finding.kind} {finding.count}" for finding in classification.findings]
    found += [f"unread {kind}" for kind in classification.unread]
    return ", ".join(found) or "nothing"
