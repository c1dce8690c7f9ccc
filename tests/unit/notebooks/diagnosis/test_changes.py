"""Changes near an onset: hints with a distance, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from opsbook.diagnosis.changes import hints_of
from tests.unit.notebooks.diagnosis.making import at, mapped

MAP = mapped({"web": ["shop"], "shop": ["stock"]})


@dataclass(frozen=True)
class Changed:
    time: datetime
    component: str
    what: str = "deployment of revision 7"
    by: str = "ci"


@pytest.mark.parametrize(("minute", "component", "named"), [
    pytest.param(18, "shop", True, id="two minutes before"),
    pytest.param(-9, "shop", True, id="29 minutes before"),
    pytest.param(-11, "shop", False, id="31 minutes before"),
    pytest.param(22, "shop", True, id="two minutes after, as metrics are coarse"),
    pytest.param(23, "shop", False, id="three minutes after"),
    pytest.param(18, "stock", True, id="of what it calls"),
    pytest.param(18, "web", False, id="of what calls it"),
    pytest.param(18, "elsewhere", False, id="of something else"),
])
def test_a_change_is_a_hint_only_near_the_onset_and_nearby(minute: int, component: str, named: bool) -> None:
    assert bool(hints_of([Changed(at(minute), component)], "shop", at(20), MAP)) is named


def test_no_onset_no_hints() -> None:
    assert hints_of([Changed(at(18), "shop")], "shop", None, MAP) == ()


def test_its_own_change_comes_before_a_nearer_one_of_its_callee() -> None:
    found = hints_of([Changed(at(19), "stock"), Changed(at(5), "shop"), Changed(at(15), "shop")], "shop", at(20), MAP)
    assert [(hint.changed, hint.before) for hint in found] == [
        ("shop", timedelta(minutes=5)), ("shop", timedelta(minutes=15)), ("stock", timedelta(minutes=1))]


def test_a_hint_says_that_it_is_one() -> None:
    hint, = hints_of([Changed(at(16), "shop")], "shop", at(20))
    assert str(hint) == "deployment of revision 7 by ci, 4 min before it began: a hint, no evidence"
