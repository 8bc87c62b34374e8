"""The numbers of classes in exports, the same in every one."""

from webapp.domain import ANY_CAR
from webapp.storage import exports as storage
from webapp.storage.database import end_reading


class Categories:
    """From 1 on: a car of which nobody said more, then every label that was ever given, in the
    order in which they were given first. That order is in the label log, which only grows."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    @property
    def numbers(self) -> dict[str, int]:
        """The number of each class by its name, in order."""
        if not self._numbers:
            labels = [label for label in storage.labels_in_order() if label != ANY_CAR]
            end_reading()
            self._numbers = {name: number for number, name in enumerate([ANY_CAR, *labels], 1)}
        return self._numbers

    def number_of(self, label: str) -> int:
        """The number of a label, "" for a car without one."""
        if label and label not in self.numbers:
            self._numbers = {}  # it was given since they were read
        return self.numbers[label or ANY_CAR]
