"""Signs in what components log: messages that are new, what they say is wrong, and whom they blame.

A message is read by the phrases in `phrases`; one that none of them fits, or that may be about any of several, is an error
of the component's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from opsbook.diagnosis.noticing.phrases import BLAMES, PHRASES, Phrase
from opsbook.diagnosis.scene import Scene
from opsbook.diagnosis.service_map import Component
from opsbook.diagnosis.signs import Sign
from opsbook.diagnosis.templates import MORE, NEW, Template, compare_templates, masked
from opsbook.evidence.log_text import LogLine

LEVELS = frozenset({"ERROR", "CRITICAL", "FATAL", "PANIC", "SEVERE", ""})
"""Of lines that tell of trouble; one without a level was found by its words."""

MOST_TEMPLATES = 5
"""New messages of a component that are named; the others are counted."""


def log_signs(scene: Scene, lines: Sequence[LogLine], evidence: str) -> list[Sign]:
    """The signs in lines of trouble.

    :param lines: of the baseline and of the window, in time order
    :param evidence: the name of the piece that they are from
    """
    signs: list[Sign] = []
    for name in sorted({line.component for line in lines}):
        mine = [line for line in lines if line.component == name and line.level in LEVELS]
        if name in scene.service_map:
            signs += _of_component(scene, scene.service_map[name], mine, evidence)
    return signs


def fresh_templates(scene: Scene, lines: Sequence[LogLine]) -> list[tuple[str, Template, datetime]]:
    """Component, template and first moment of the messages that are new in the window or much more frequent."""
    found = []
    for name in sorted({line.component for line in lines}):
        mine = [line for line in lines if line.component == name]
        found += [(name, template, first) for template, first in _fresh(scene, mine)]
    return found


def _fresh(scene: Scene, lines: Sequence[LogLine]) -> list[tuple[Template, datetime]]:
    before = [message_of(line) for line in lines if line.time < scene.window.start]
    later = [line for line in lines if scene.window.start <= line.time < scene.window.end]
    templates = compare_templates(before, [message_of(line) for line in later], scene.baseline.length.total_seconds(),
                                  scene.window.length.total_seconds())
    firsts = _firsts(later)
    return [(template, firsts.get(masked(template.example), scene.window.start))
            for template in templates if template.kind in (NEW, MORE)]


def message_of(line: LogLine) -> str:
    """The words of a line: its exception's type and its message."""
    said = line.exception and line.exception not in line.message
    return f"{line.exception}: {line.message}" if said else line.message


def _firsts(lines: Iterable[LogLine]) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for line in lines:
        found.setdefault(masked(message_of(line)), line.time)
    return found


def _of_component(scene: Scene, component: Component, lines: Sequence[LogLine], evidence: str) -> Iterator[Sign]:
    fresh = _fresh(scene, lines)
    unexplained = []
    for template, first in fresh:
        signs = list(_said(scene, component, template, first, evidence))
        yield from signs
        # One that says only that something it calls fails, and of several nobody knows which, may be its own as well.
        if all(sign.kind == BLAMES for sign in signs):
            unexplained.append((template, first))
    if unexplained:
        yield _new_errors(component, unexplained, evidence)


def _said(scene: Scene, component: Component, template: Template, first: datetime, evidence: str) -> Iterator[Sign]:
    """What a message says by the phrases above, at the component and at those that it is about."""
    for phrase in PHRASES:
        if not phrase.pattern.search(template.example):
            continue
        counted = f"{component.name} logs {template.after} times (before: {template.before}): {_quoted(template.example)}"
        others = _about(scene, component, phrase, template.example)
        known = others or not phrase.other or _calls_any(scene, component, phrase)
        if phrase.own and known:
            yield Sign(component.name, phrase.own, counted, (evidence,), first, None, {"lines": template.after})
        for other in others:
            yield Sign(other, phrase.other, counted, (evidence,), first, None, {"lines": template.after})
        if known:
            return


def _calls_any(scene: Scene, component: Component, phrase: Phrase) -> bool:
    """Whether it calls something that the message can be about, though nobody can tell which of several."""
    return any(scene.service_map[name].kind in phrase.kinds for name in component.calls if name in scene.service_map)


def _about(scene: Scene, component: Component, phrase: Phrase, message: str) -> list[str]:
    """Whom a message blames: those that it names, else those of the phrase's kinds that the component calls."""
    if not phrase.other:
        return []
    if component.kind in phrase.kinds:
        return [component.name]
    called = [scene.service_map[name] for name in component.calls if name in scene.service_map]
    named = [one.name for one in called if _names(message, one)]
    if named:
        return named
    fitting = [one.name for one in called if one.kind in phrase.kinds]
    # Which of several tables or providers is meant, a message that names none does not tell.
    return fitting if len(fitting) == 1 else []


def _names(message: str, component: Component) -> bool:
    """Whether a message names a component, by its name or its id, as a word of its own."""
    text = message.lower()
    return any(_is_word(text, word.lower()) for word in (component.name, component.id) if len(word) > 2)


def _is_word(text: str, word: str) -> bool:
    place = text.find(word)
    while place >= 0:
        before, after = text[place - 1:place], text[place + len(word):place + len(word) + 1]
        if not (before.isalnum() or before == "-") and not (after.isalnum() or after == "-"):
            return True
        place = text.find(word, place + 1)
    return False


def _new_errors(component: Component, fresh: Sequence[tuple[Template, datetime]], evidence: str) -> Sign:
    """Errors that no phrase explains, or that blame nobody in particular: the component's own, as far as one can tell."""
    named = "; ".join(f"{template.after} times (before: {template.before}) {_quoted(template.example)}"
                      for template, first in fresh[:MOST_TEMPLATES])
    more = f"; {len(fresh) - MOST_TEMPLATES} more" if len(fresh) > MOST_TEMPLATES else ""
    actual: Mapping[str, int] = {template.text[:200]: template.after for template, first in fresh[:MOST_TEMPLATES]}
    return Sign(component.name, "new-errors", f"{component.name} logs {named}{more}.", (evidence,),
                min(first for template, first in fresh), None, dict(actual))


def _quoted(text: str) -> str:
    return f'"{text[:160]}"'
