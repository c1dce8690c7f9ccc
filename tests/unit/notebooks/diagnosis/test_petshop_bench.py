"""`make bench-diagnosis`: what the adapter makes of the data set's form, and what is counted."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.bench.diagnosis import hits, main, quiet_windows, tables
from tests.bench.petshop import incidents, owned, service_map
from tests.unit.notebooks.diagnosis.making import noisy

FRONT, SHOP, TABLE, SSM, PROXY = (
    "Front", "Shop_AWS::ECS::Fargate", "Things_AWS::DynamoDB::Table", "SSM_AWS::SSM", "shop.example.org_remote")
CALLS = {FRONT: [SHOP, SSM, PROXY], SHOP: [TABLE], TABLE: [], SSM: [], PROXY: []}
QUIET, PERIODS = 60, 5


@pytest.mark.parametrize(("name", "calls", "ours"), [
    ("Front", [], True), ("Shop_AWS::ECS::Fargate", [], True), ("Things_AWS::DynamoDB::Table", [], True),
    ("AWS::StepFunctions::StateMachine", [], True), ("jobs@db.example.org_Database::SQL", [], True),
    ("SSM_AWS::SSM", [], False), ("step_AWS::Lambda", ["step_AWS::Lambda::Function"], True),
    ("shop.example.org_remote", [], False), ("Shop_client", ["Shop_AWS::ECS::Fargate"], False),
])
def test_the_type_of_a_node_says_whether_it_is_ours(name: str, calls: list[str], ours: bool) -> None:
    assert owned(name, calls) is ours


def written(folder: Path, slow: Mapping[str, float], first: int, count: int) -> None:
    """Metrics of a value each five minutes, slower by so many seconds from the third period on."""
    folder.mkdir(parents=True)
    values = {node: noisy(0.1, 0.005, count, seed) for seed, node in enumerate(CALLS)}
    columns = [(node, metric, statistic) for metric, statistic in (("latency", "Average"), ("requests", "Sum"),
                                                                  ("availability", "Average")) for node in CALLS]
    with gzip.open(folder / "metrics.csv.gz", "wt", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines)
        for head, place in (("microservice", 0), ("metric", 1), ("statistic", 2)):
            table.writerow([head, *(column[place] for column in columns)])
        table.writerow(["unix_timestamp", *("" for _column in columns)])
        for number in range(count):
            more = {node: slow.get(node, 0.0) if number >= 2 else 0.0 for node in CALLS}
            cells = {"latency": lambda node, at=number, add=more: values[node][at] + add[node],
                     "requests": lambda _node: 300.0, "availability": lambda _node: 100.0}
            table.writerow([float(first + 300 * number), *(cells[metric](node) for node, metric, _statistic in columns)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set of one group, of its form and of made-up figures."""
    group = tmp_path / "some_traffic"
    written(group / "noissue", {}, 1_700_000_000, QUIET)
    written(group / "train" / "issue_0", {FRONT: 0.5, SHOP: 0.5, PROXY: 0.5}, 1_800_000_000, PERIODS)
    target = {"target": {"node": FRONT, "metric": "latency"}, "root_cause": {"node": SHOP}}
    (group / "train" / "issue_0" / "target.json").write_text(json.dumps(target), encoding="utf-8")
    with (group / "graph.csv").open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(["", *CALLS])
        for caller, callees in CALLS.items():
            table.writerow([caller, *(float(callee in callees) for callee in CALLS)])
    return tmp_path


def test_rows_of_the_graph_call_its_columns(data: Path) -> None:
    graph = service_map(data / "some_traffic" / "graph.csv")
    assert graph[FRONT].calls == (SHOP, SSM, PROXY)
    assert [one.name for one in graph.components if one.entry] == [FRONT]


def test_an_incident_has_the_quiet_stretch_as_its_baseline(data: Path) -> None:
    incident, = incidents(data, "some_traffic")
    assert (incident.alarmed, incident.cause, incident.family) == (FRONT, SHOP, "latency")
    assert incident.baseline.end == incident.window.start
    assert {len(one.points) for one in incident.series} == {QUIET + PERIODS}


def test_the_table_counts_the_cause_and_the_quiet_windows(data: Path) -> None:
    labelled, quiet = tables(data, ["some_traffic"])
    assert labelled.rows[0] == ("opsbook", "1, 1 of 1", "1, 1 of 1")
    assert quiet.rows[0] == ("opsbook", "0 of 4", "0.0%", "1 of 1")
    assert "one and the same component" in labelled.note


def test_quiet_windows_do_not_see_what_comes_after_them(data: Path) -> None:
    for window in quiet_windows(data, "some_traffic", incidents(data, "some_traffic")):
        assert max(moment for one in window.series for moment, _value in one.points) < window.window.end


@pytest.mark.parametrize(("ranked", "first", "expected"), [
    ([["a", "b"]], 1, 1), ([["b", "a"]], 1, 0), ([["b", "a"]], 3, 1), ([["b", "c", "d", "a"]], 3, 0), ([[]], 3, 0)])
def test_a_hit_is_the_cause_among_the_first(ranked: list[list[str]], first: int, expected: int) -> None:
    assert hits(ranked, ["a"], first) == expected


def test_an_absent_data_set_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path / "nowhere")]) == 0
    assert "There is no PetShop data set" in capsys.readouterr().out
