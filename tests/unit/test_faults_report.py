"""The page of the fault lab: what was run with locks is a section of it, whatever else is written."""

from tests.faults.report import LOCKED, LOCKED_END, locked_section, section_of, with_section

PAGE = "# Faults\n\n| a table |\n\n2 runs.\n\n## one memcached: flush_all\n\ntext\n"
SECTION = f"{LOCKED}## With everything locked\n\n| one |\n{LOCKED_END}"
NEWER = f"{LOCKED}## With everything locked\n\n| two |\n{LOCKED_END}"


def test_a_section_is_put_before_the_faults_and_taken_out_again() -> None:
    once = with_section(PAGE, SECTION)
    assert once.index("2 runs.") < once.index("| one |") < once.index("## one memcached")
    assert section_of(once) == SECTION
    assert section_of(PAGE) == ""
    assert with_section(once, "") == PAGE


def test_a_newer_section_replaces_the_older_one() -> None:
    once = with_section(PAGE, SECTION)
    assert with_section(once, NEWER) == with_section(PAGE, NEWER)


def test_what_a_locked_run_broke_is_counted() -> None:
    kept = {
        "store": "one memcached", "fault": "flush_all", "locked": True, "kept": True,
        "false_downs": 0, "found_during": 4.0, "found_after": 4.5, "polls": 10,
        "longest_between_polls": 0.2,
    }  # fmt: skip
    broken = {**kept, "kept": False, "false_downs": 2, "found_during": None}
    other = {**kept, "store": "embedded", "found_after": 5.0}
    lines = locked_section([{"outcome": each} for each in (kept, broken, other)]).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    assert cells[2:] == [
        ["embedded", "1", "1", "1", "0", "4.0", "5.0"],
        ["one memcached", "1", "2", "1", "2", "4.0", "4.5"],
        ["all", "2", "3", "2", "2", "", ""],
    ]
