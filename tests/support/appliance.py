"""What is asked of the appliance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from guestprep.appliance import Appliance


@contextmanager
def counted_calls() -> Iterator[Counter[str]]:
    """How often each of libguestfs's calls succeeds within the block; ``launch`` is one."""
    calls: Counter[str] = Counter()
    call = Appliance.call

    def counting(self: Appliance, method: str, *args: object, **kwargs: Any) -> Any:
        answer = call(self, method, *args, **kwargs)
        calls[method] += 1
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Appliance, "call", counting)
        yield calls
