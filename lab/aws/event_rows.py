"""Events as rows of Logs Insights, each field made when a query asks for it: most queries look at few fields."""

from __future__ import annotations

from typing import Any

from lab.aws.insights_values import Value, discovered, moment
from lab.aws.traffic_streams import event_id_of


class EventRow(dict[str, Value]):
    """One event; what a query adds is kept like in any mapping."""

    def __init__(self, at: int, ingested: int, message: str, number: int = 0, event_id: str = "") -> None:
        """:param at, ingested: milliseconds since the epoch
        :param number: of the event among those read with it, of which its id is made where it has none
        """
        super().__init__()
        self.message = message
        self.place = ("", "", "")  # account, group and stream
        self._at, self._ingested, self._number, self._event_id = at, ingested, number, event_id
        self._read = False

    def get(self, name: str, default: Any = None) -> Any:
        """A field: of the event itself (@...), of the object that its message is, or one that the query has made."""
        if name in self:
            return self[name]
        if name.startswith("@"):
            return self._own(name, default)
        if not self._read:
            self._read = True
            for field, value in discovered(self.message).items():
                self.setdefault(field, value)
            return super().get(name, default)
        return default

    def _own(self, name: str, default: Any) -> Any:
        account, group, stream = self.place
        if name == "@message":
            return self.message
        if name == "@timestamp":
            return moment(self._at)
        if name == "@ptr":
            return f"{group}/{self._event_id or event_id_of(self._at, self.message, self._number)}"
        others = {"@logStream": stream, "@log": f"{account}:{group}", "@ingestionTime": moment(self._ingested)}
        return others.get(name, default)
