"""No secret in what is kept: values are replaced in all that is stored or printed, then every byte is looked at again.

Two nets, since the first has holes by nature: text is scrubbed in the forms that programs write values in, and what is about
to be kept is searched for the same forms, also with blanks and line ends taken out. What is found then is not stored at all.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

WITHHELD = "[secret]"

SHORTEST = 6
"""A shorter value would be found everywhere: a parameter that short is refused, a declared one is not looked for."""

LINE = 8
"""A line of a secret of several lines is looked for alone from this length on: a key's END line is no secret."""

CREDENTIAL = re.compile(
    r"(?i)^(?:.*_)?(password|passwd|passphrase|secret|secret_key|session_token|token|api_key|apikey|auth|authorization"
    r"|private_key|client_secret|external_id|credentials|cookie|x-api-key)$")
"""Names of fields whose values are credentials, in what the inventory declares."""

IN_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@\s:]*:([^/@\s]+)@", re.IGNORECASE)


def declared_credentials(declared: Any, path: str = "") -> dict[str, str]:
    """The credentials in what a system declares: by name of the field, and passwords inside of addresses.

    :returns: where each is declared, and its value
    """
    found: dict[str, str] = {}
    if isinstance(declared, Mapping):
        for name, value in declared.items():
            here = f"{path}.{name}" if path else str(name)
            if isinstance(value, str) and CREDENTIAL.match(str(name)):
                found[here] = value
            else:
                found.update(declared_credentials(value, here))
    elif isinstance(declared, list):
        for number, value in enumerate(declared):
            found.update(declared_credentials(value, f"{path}[{number}]"))
    elif isinstance(declared, str) and (match := IN_ADDRESS.match(declared)):
        found[path] = match.group(1)
    return {name: value for name, value in found.items() if len(value) >= SHORTEST}


def written_forms(secret: str) -> set[str]:
    """A secret in the forms that programs write it in: quoted, escaped for JSON, HTML or an address, in base64."""
    forms = {secret, secret.strip(), *(_lines(secret))}
    for text in list(forms):
        ascii_json, json_text = json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]
        forms |= {repr(text)[1:-1], ascii_json, json_text, json.dumps(ascii_json)[1:-1], json.dumps(json_text)[1:-1],
                  html.escape(text), html.escape(text, quote=False), html.escape(text).replace("&#x27;", "&#39;"),
                  quote(text), quote(text, safe=""), quote_plus(text), *_in_base64(text), text.encode().hex()}
    return {form for form in forms if len(form) >= SHORTEST}


def _lines(secret: str) -> list[str]:
    stripped = (line.strip() for line in secret.splitlines()) if "\n" in secret.strip() else ()
    return [line for line in stripped if len(line) >= LINE and not line.startswith("-----")]


def _in_base64(text: str) -> set[str]:
    """What base64 makes of it, alone and in the middle of something longer ("user:password")."""
    raw = text.encode()
    forms = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        # The first and last signs also hold bits of the neighbours.
        inner = whole[-(-before * 4 // 3):len(whole) - (1 if (before + len(raw)) % 3 else 0)]
        if len(inner) >= LINE:
            forms |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    return {form.rstrip("=") for form in forms} | forms


class Scrubber:
    """Knows a run's secrets; the names are for messages, the values leave it never."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """:param secrets: values by what they are called ("parameter token", "opsbook_aws.secret_key")"""
        self._forms = {form: name for name, value in secrets.items() for form in written_forms(value)}
        # Longest first: of two secrets one may be part of the other.
        ordered = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(re.escape(form) for form in ordered)) if ordered else None
        self.margin = max(map(len, ordered), default=0)
        """Length of the longest form: text cut at some place may hold a part of a secret in its last signs."""

    def text(self, text: str) -> str:
        """Text without secrets."""
        return self._pattern.sub(WITHHELD, text) if self._pattern else text

    def value(self, value: Any) -> Any:
        """Plain data without secrets, in keys and numbers too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(part) for part in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and self.text(str(value)) != str(value):
            return WITHHELD
        return value

    def found_in(self, content: bytes) -> list[str]:
        """The names of the secrets that a file still contains, also with blanks, line ends or quotes between their signs."""
        if not self._forms:
            return []
        plain = content.decode("utf-8", "replace")
        closed = BETWEEN.sub("", plain)
        return sorted({name for form, name in self._forms.items()
                       if form in plain or (len(form) >= LINE and BETWEEN.sub("", form) in closed)})


BETWEEN = re.compile(r'(?:\\[nrt]|[\s"\',])+')


def refuse_short(values: Mapping[str, str]) -> list[str]:
    """The names of secrets that are too short to be kept out of anything."""
    return sorted(name for name, value in values.items() if len(value.strip()) < SHORTEST)


def names_of(found: Iterable[str]) -> str:
    """Names for a message."""
    return ", ".join(sorted(set(found)))
