"""The benchmark of backups: what it prints, on figures and on a small database."""

import pytest

from tools.bench import backups
from tools.bench.databases import Cost

DUMPS = {
    "the order's": Cost(cpu=30.0, wall=30.0, megabytes=300.0),
    "ours": Cost(cpu=16.0, wall=9.0, megabytes=250.0),
    "... unchecked": Cost(cpu=7.0, wall=6.0, megabytes=250.0),
    "plain COPY": Cost(cpu=8.0, wall=8.0, megabytes=900.0),
    "COPY by two": Cost(cpu=8.0, wall=5.0, megabytes=900.0),
    "pgBackRest": None,
}


def test_table_says_how_often_as_fast_and_which_target_is_missed() -> None:
    """Every target is named kept or missed; a way without figures is named as missing."""
    lines = list(backups.table("dump", DUMPS, backups.DUMP_TARGET))
    text = "\n".join(lines)
    assert "3.33 times as fast as the order's, target 3.0 kept; 5.00 unchecked" in text
    assert "1.12 times as long as plain COPY, target 1.2 kept; 0.75 unchecked" in text
    assert "1.80 times as long as COPY by two, target 1.2 MISSED" in text
    assert "MISSING" in next(line for line in lines if "pgBackRest" in line)


@pytest.mark.live
@pytest.mark.needs("pgbackrest")
def test_small_database_goes_every_way_and_back() -> None:
    """Each way has figures, the content is the manifest's, and a changed cell is seen."""
    lines = list(backups.compared(5))
    assert "identical to the manifest" in lines[-1]
    assert lines[-1].endswith("one changed cell is detected")
    assert sum("pgBackRest" in line for line in lines) == 2
    assert not any("MISSING" in line for line in lines)
