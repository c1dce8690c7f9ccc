"""Which inventories the commands of a record have to name."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbook.runner.settings import named_inventory


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "ansible.cfg").write_text("[defaults]\ninventory = inventory/lab\n")
    return tmp_path


@pytest.mark.parametrize(("given", "environment", "named"), [
    ((), "", ()), (("inventory/production",), "", ("inventory/production",)),
    (("inventory/production", "more.yml"), "", ("inventory/production", "more.yml")),
    ((), "inventory/production, more.yml", ("inventory/production", "more.yml")),
    (("inventory/staging",), "inventory/production", ("inventory/staging",)), (("host,",), "", ("host,",)),
])
def test_all_but_the_checkout_s_own_are_named_as_they_were_given(
        project: Path, given: tuple[str, ...], environment: str, named: tuple[str, ...]) -> None:
    assert named_inventory(given, {"ANSIBLE_INVENTORY": environment}, project) == named


def test_the_checkout_s_own_needs_no_name_however_it_was_given(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = str(project / "inventory" / "lab")
    monkeypatch.chdir(project)

    assert named_inventory((own,), {}, project) == ()
    assert named_inventory(("inventory/lab",), {}, project) == ()
    assert named_inventory((), {"ANSIBLE_INVENTORY": own}, project) == ()
    assert named_inventory((own, "more.yml"), {}, project) == (own, "more.yml")


def test_without_a_configuration_all_are_named(tmp_path: Path) -> None:
    assert named_inventory(("inventory/lab",), {}, tmp_path) == ("inventory/lab",)
