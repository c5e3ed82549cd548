"""What the service found wrong with itself since it started: shown on every answer, in /readyz and as a metric.

An integrity finding does not stop reading: whoever must look into it needs the answers. It is never taken back while
the process lives; a verification and a restart do that.
"""

import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class Condition:
    """Findings by name. Thread-safe."""

    _findings: dict[str, int] = field(default_factory=dict)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def found(self, name: str) -> None:
        """Note one finding; ``name`` is a word of ours and holds nothing of a request."""
        with self._mutex:
            self._findings[name] = self._findings.get(name, 0) + 1

    @property
    def findings(self) -> dict[str, int]:
        """How often each was found."""
        with self._mutex:
            return dict(self._findings)

    @property
    def degraded(self) -> bool:
        """Tell whether anything was found."""
        return bool(self._findings)
