"""A number in the files of this process's slot, in the format of prometheus-client's multiprocess mode.

prometheus-client's own class checks at each count whether the process has forked. Our processes never fork, and each
request counts something. So this class leaves the check out, and takes a third of the time.
"""

import struct
from pathlib import Path
from threading import Lock
from typing import Any

from prometheus_client.mmap_dict import MmapedDict, mmap_key

from zapauth.metrics import files

_pack = struct.Struct("dd").pack  # the number, and a time that only some gauges have
_LENGTH = 16
_lock = Lock()
_files: dict[str, MmapedDict] = {}


class SlotValue:
    """A float that survives the process. Its arguments and methods are those of `prometheus_client.values`."""

    _multiprocess = True

    def __init__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Any,
        labelvalues: Any,
        help_text: str,
        multiprocess_mode: str = "",
        **_: Any,
    ) -> None:
        key = mmap_key(metric_name, name, labelnames, labelvalues, help_text)
        with _lock:
            self._file = _file(f"gauge_{multiprocess_mode}" if typ == "gauge" else typ)
            # The count of the last process that had this slot.
            self._value: float = self._file.read_value(key)[0]
            self._start = self._file._positions[key]
        self._end = self._start + _LENGTH

    def inc(self, amount: float) -> None:
        with _lock:
            self._value += amount
            self._file._m[self._start : self._end] = _pack(self._value, 0.0)

    def set(self, value: float, timestamp: float | None = None) -> None:
        with _lock:
            self._value = value
            self._file._m[self._start : self._end] = _pack(value, timestamp or 0.0)

    def get(self) -> float:
        return self._value

    def set_exemplar(self, exemplar: Any) -> None:
        """Files have no exemplars."""

    def get_exemplar(self) -> None:
        """Files have no exemplars."""


def _file(kind: str) -> MmapedDict:
    folder = files.folder()
    if folder is None:
        raise RuntimeError("there is no folder for the figures")
    if kind not in _files:
        _files[kind] = MmapedDict(str(Path(folder) / f"{kind}_{files.slot()}.db"))
    return _files[kind]
