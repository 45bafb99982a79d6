"""The comparison of stream versions: expected by an append, and in the log."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from events.log.errors import Conflict, WrongProperty
from events.record import NewEvent, Stream


class StreamHead(NamedTuple):
    """The newest row of a stream: its version and its ordering key."""

    version: int
    ordering_key: UUID


def check_versions(
    events: Sequence[NewEvent],
    heads: Mapping[Stream, StreamHead],
    expected: Mapping[Stream, int],
    guards: Mapping[Stream, int],
) -> dict[Stream, int]:
    """Return the version of each stream, 0 for a new one. Raises `Conflict`, `WrongProperty`."""
    known_keys = {stream: head.ordering_key for stream, head in heads.items()}
    written: dict[Stream, UUID] = {}
    wrong: Stream | None = None
    for event in events:
        stream, key = event.stream, event.ordering_key
        if (first := written.get(stream)) is None:
            written[stream] = first = known_keys.get(stream, key)
        if first is not key and first != key and wrong is None:
            wrong = stream
    versions = dict.fromkeys([*written, *guards], 0)
    versions |= {stream: head.version for stream, head in heads.items() if stream in versions}
    # Conflicts come first: who expected a new stream, which another property has begun meanwhile,
    # decides again and then sees whose it is.
    for stream, version in [*guards.items(), *expected.items()]:
        if versions.get(stream, version) != version:
            raise Conflict(stream, version, versions[stream])
    if wrong is not None:
        raise WrongProperty(wrong)
    return versions
