"""What is not well stands out, where a terminal welcomes colours."""

from functools import partial

from musterd.cli import show
from musterd.cli.render import coloured, plain
from musterd.model import FactsChange, Member, State
from musterd_coordinator.demo.scenes import Scene, play
from tests.desk_seats import NOW
from tests.http_desk import DictDesk


async def test_verdicts_and_notes_of_a_member_that_is_not_well_are_red_and_yellow() -> None:
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    well = show.text(desk.member("compute", "h1"), coloured, NOW)
    assert "\x1b[31m" not in well
    desk.put(Member("compute", "h1"), state=State.DOWN)
    await desk.change_facts("compute", "h1", FactsChange(disabled=True, reason="disk"))
    lines = show.text(desk.member("compute", "h1"), coloured, NOW).splitlines()
    told = {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines}
    assert told["up"] == "\x1b[31mno\x1b[0m (may I talk to it?)"
    assert told["down"] == "\x1b[31myes\x1b[0m (may I evacuate it?)"
    assert told["note"] == "\x1b[33mdisabled: disk\x1b[0m"


async def played(*scenes: Scene, paint: bool) -> list[str]:
    async def act(scene: Scene) -> Scene:
        return scene

    said = list[str]()
    acts = {f"act {at}": partial(act, scene) for at, scene in enumerate(scenes)}
    await play(acts, said.append, coloured if paint else plain)
    return said


async def test_a_demonstration_says_in_colour_what_went_as_told() -> None:
    scenes = Scene("all up", "all up", well=True), Scene("3 down", "2 down", well=False)
    said = await played(*scenes, paint=True)
    assert said[1] == "   \x1b[32mok\x1b[0m: all up"
    assert said[3] == "   \x1b[31mNOT AS TOLD\x1b[0m: 2 down"
    assert said[4].splitlines()[3].endswith("2 down  \x1b[31mNO\x1b[0m")
    assert (await played(*scenes, paint=False))[4].splitlines()[1:] == [
        "STEP    EXPECTED    SEEN",
        "act 0   all up      all up  ok",
        "act 1   3 down      2 down  NO",
    ]
