"""A correction of aiokafka's consumer: it reads records whose header names are not UTF-8.

aiokafka decodes header names as UTF-8 and raises in the middle of a batch if one is not. Nothing
after it in the partition would ever be read. No reader of the core needs such a header, so its name
is replaced by question marks.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint


class TolerantBatch:
    """A record batch whose header names may be any bytes.

    The fast reader of aiokafka reads it. Only a batch with such a name is read again in Python.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._batch = DefaultRecordBatch(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return iter(_RenamingBatch(self._data))

    def validate_crc(self) -> bool:
        """Return whether the batch has the bytes that the producer sent."""
        return bool(self._batch.validate_crc())


class _RenamingBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A record batch that replaces header names which are not UTF-8."""

    def _read_msg(self) -> Any:
        try:
            return super()._read_msg()
        except UnicodeDecodeError:
            self._overwrite_names()
            return super()._read_msg()

    def _overwrite_names(self) -> None:
        """Replace header names of the next record that are not UTF-8.

        A record has length, attributes, time, offset, key, value and headers, in this order.
        """
        buffer, at = self._buffer, self._pos
        for _ in range(4):
            _, at = decode_varint(buffer, at)
        for _ in range(2):
            size, at = decode_varint(buffer, at)
            at += max(size, 0)
        headers, at = decode_varint(buffer, at)
        for _ in range(headers):
            size, at = decode_varint(buffer, at)
            try:
                buffer[at : at + size].decode()
            except UnicodeDecodeError:
                buffer[at : at + size] = b"?" * size
            at += size
            size, at = decode_varint(buffer, at)
            at += max(size, 0)


class _TolerantRecords(_MemoryRecordsPy):  # type: ignore[misc]
    """The records of a fetch, read as `TolerantBatch`."""

    def next_batch(self) -> Any:
        data = self._next_slice
        batch = super().next_batch()
        return TolerantBatch(data) if isinstance(batch, DefaultRecordBatch) else batch


def tolerate_header_names() -> None:
    """Make the aiokafka consumers of this process accept every header name."""
    fetcher.MemoryRecords = _TolerantRecords
