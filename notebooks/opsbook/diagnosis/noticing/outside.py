"""Signs in what is seen from outside: endpoints, providers, names, certificates; and in changes, which are hints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from ansible_collections.opsbook.runbooks.plugins.module_utils.core.coverage import Collected
from ansible_collections.opsbook.runbooks.plugins.module_utils.core.evidence import in_words
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.check import Checked, judge
from ansible_collections.opsbook.runbooks.plugins.module_utils.http.dns import Resolved, evaluate_names
from opsbook.diagnosis.causes import CACHES, DATABASES
from opsbook.diagnosis.changes import hints_of
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.signs import Sign
from opsbook.evidence.changes import Change
from opsbook.evidence.endpoints import Certificate

CHECKED_PARTS = {
    "database": DATABASES, "postgres": DATABASES, "redis": CACHES, "cache": CACHES, "dynamodb": ("dynamodb_table",),
}
"""What health endpoints call the parts that they report on, and what kind of component that is."""

OF_THE_JOBS = ("scheduler", "jobs")


def endpoint_signs(scene: Scene, checked: Iterable[Checked], evidence: str) -> Iterator[Sign]:
    """The signs in the declared endpoints: of the components that users come in at, and of the parts they report on."""
    seen = list(checked)
    bad = [(one, item) for one in seen for item in judge(one.endpoint, one.answer, scene.now) if item.ok is False]
    parts = [(item, path) for _one, item in bad if (path := item.check.removeprefix("json ")) != item.check]
    for item, path in parts:
        yield from _of_part(scene, path, in_words(item.actual), evidence)
    down = [(one, item) for one, item in bad if item.check in ("status", "answer")]
    for name in _entries(scene):
        if down:
            told = "; ".join(f"{one.endpoint.name}: {in_words(item.actual)}" for one, item in down[:3])
            yield Sign(name, "not-answering", f"{len(down)} of {len(seen)} endpoints do not answer as they should: {told}.",
                       (evidence,), None, {"answering": len(seen)}, {"answering": len(seen) - len(down)})
        elif seen and not bad:
            yield Sign(name, "answers-well", f"All {len(seen)} endpoints answer as they should.", (evidence,))
        for one, item in bad:
            # One that ends soon is for the morning's health check: it still works.
            if item.check == "certificate" or (item.check == "TLS days left" and float(item.actual) <= 0):
                yield Sign(name, "certificate-bad", f"{one.endpoint.name}: {item.check} {in_words(item.actual)}.",
                           (evidence,), None, item.expected, item.actual)


def _of_part(scene: Scene, path: str, said: str, evidence: str) -> Iterator[Sign]:
    """A part that a health endpoint calls unwell: the component it means, where there is one of its kind only."""
    for word in path.lower().split("."):
        if word in OF_THE_JOBS:
            for name in _job_runners(scene):
                yield Sign(name, "scheduler-stopped", f"The health endpoint says {path}: {said}.", (evidence,), None,
                           "ok", said)
        kinds = CHECKED_PARTS.get(word, ())
        fitting = scene.service_map.of_kind(*kinds) if kinds else ()
        if len(fitting) == 1:
            yield Sign(fitting[0].name, "blamed", f"The health endpoint says {path}: {said}.", (evidence,), None, "ok", said)


def _job_runners(scene: Scene) -> list[str]:
    """The components that run jobs: those whose name says so, else the hosts."""
    named = [one.name for one in scene.service_map.components
             if one.kind in ("ecs_service", "lambda_function") and "scheduler" in one.name]
    return named or [one.name for one in scene.service_map.of_kind("host")]


def provider_signs(scene: Scene, checked: Iterable[Checked], evidence: str) -> Iterator[Sign]:
    """Whether what is not ours answers."""
    for one in checked:
        bad = [item for item in judge(one.endpoint, one.answer, scene.now) if item.ok is False]
        kind, text = ("not-answering", f"It does not answer: {in_words(bad[0].actual)}.") if bad else (
            "answers-well", f"It answers ({one.answer.status}).")
        yield Sign(one.endpoint.name, kind, text, (evidence,), None, None, bad[0].actual if bad else one.answer.status)


def name_signs(scene: Scene, resolved: Sequence[Resolved], evidence: str) -> Iterator[Sign]:
    """Names that lead nowhere, or elsewhere."""
    for item in evaluate_names(Collected(tuple(resolved), scene.now)):
        if item.ok is False:
            for name in _entries(scene):
                told = f"{item.resource}: {in_words(item.actual)}; expected {in_words(item.expected)}."
                yield Sign(name, "name-wrong", told, (evidence,), None, item.expected, item.actual)


def certificate_signs(scene: Scene, certificates: Iterable[Certificate], evidence: str) -> Iterator[Sign]:
    """Certificates that have expired."""
    for one in certificates:
        if one.days <= 0:
            for name in _entries(scene):
                yield Sign(name, "certificate-bad", f"The certificate of {one.address} expired {-one.days:.1f} days ago.",
                           (evidence,), one.expires, {"days": scene.limits.certificate_days}, {"days": round(one.days, 1)})


def change_signs(
    scene: Scene, changes: Sequence[Change], onsets: dict[str, datetime | None], evidence: str
) -> Iterator[Sign]:
    """Deployments and changes shortly before trouble began, as hints.

    :param onsets: when each component's trouble began
    """
    for component, onset in onsets.items():
        for hint in hints_of([one for one in changes if one.component], component, onset)[:1]:
            mine = next(one for one in changes
                        if (one.component, one.time, one.what) == (hint.changed, hint.time, hint.what))
            yield Sign(component, "deployed", f"{hint}.", (evidence,), None, None,
                       {"what": hint.what, "detail": mine.detail, "revision_before": mine.before})


def _entries(scene: Scene) -> list[str]:
    return [one.name for one in scene.service_map.components if one.entry]
