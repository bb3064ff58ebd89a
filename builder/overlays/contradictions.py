"""Values that several overlays set: the last one holds, which it has to announce."""

from __future__ import annotations

from collections.abc import Callable

from builder.overlays.model import Overlay
from core.errors import Fault


class OverlayValues:
    """Who set which value, and what contradicts it.

    :ivar faults: values that an overlay sets differently from an earlier one, without
        naming them under ``replaces``.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._set: dict[tuple[str, ...], tuple[Overlay, object]] = {}

    def set(
        self,
        overlay: Overlay,
        place: tuple[str, ...],
        value: object,
        *,
        where: Callable[[], str],
        what: str = "",
    ) -> None:
        """Note a value.

        :param place: its name's parts; with dots between them the name under ``replaces``.
        :param where: gives the place in the overlay's file, for the message.
        :param what: the beginning of the message.
        """
        name = ".".join(place)
        earlier, known = self._set.get(place, (overlay, value))
        if known != value and name not in overlay.description.replaces:
            self.faults.append(
                Fault(
                    where(),
                    f"{what}is also set by overlay {earlier.name}",
                    f"name {name} under replaces: in overlay.yml",
                )
            )
        self._set[place] = overlay, value
