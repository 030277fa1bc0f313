"""An order for many members is one change of a registry, in all homes."""

import pytest
from msgspec.structs import replace

from musterd.errors import RegistryError
from musterd.model import Facts
from tests.service.registries import by_name, entry, loaded, opened, record

pytestmark = pytest.mark.usefixtures("tables")


async def test_one_order_changes_many_at_once_and_the_same_again_writes_nothing(url: str) -> None:
    async with opened(url, timeout=60.0) as registry:
        names = [f"h{number:04}" for number in range(4500)]  # more than a statement's worth
        odd = entry("h0003", facts=Facts(zone="z9", disabled=True, disabled_reason="before"))
        await record(registry, [*map(entry, names[:3]), odd, *map(entry, names[4:])])
        asked: list[Facts] = []

        def disabled(facts: Facts) -> Facts:
            asked.append(facts)
            return replace(facts, disabled=True, disabled_reason="rack")

        await registry.changed()
        told = {
            each.name: each
            for each in await registry.change_facts_of("compute", [*names, "nobody"], disabled)
        }
        assert sorted(told) == names
        assert len(asked) == 2  # once for all that are alike
        assert (told["h0003"].before, told["h0000"].before) == (odd.facts, Facts())
        if registry.shared:
            assert by_name(await registry.changed()).keys() == set(names)
        facts = {name: each.facts for name, each in by_name(await loaded(registry)).items()}
        assert facts == {name: each.after for name, each in told.items()}
        assert facts["h0003"] == Facts(zone="z9", disabled=True, disabled_reason="rack")
        again = await registry.change_facts_of("compute", names, disabled)
        assert all(each.after is each.before for each in again)
        assert list(await registry.changed()) == []
        assert list(await registry.change_facts_of("storage", names, disabled)) == []


async def test_an_order_for_many_that_fails_changes_nobody(url: str) -> None:
    async with opened(url, timeout=60.0) as registry:
        await record(registry, [entry("a"), entry("b", facts=Facts(zone="z9"))])

        def failing(facts: Facts) -> Facts:
            if facts.zone:
                raise RegistryError("no")
            return replace(facts, disabled=True)

        with pytest.raises(RegistryError):
            await registry.change_facts_of("compute", ["a", "b"], failing)
        assert not any(each.facts.disabled for each in await loaded(registry))
        await registry.change_facts_of("compute", ["a"], failing)
        assert by_name(await loaded(registry))["a"].facts.disabled
