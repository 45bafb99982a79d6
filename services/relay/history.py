"""The comparison of the bus with the log: whether the bus has a history that the log lost."""

from typing import NamedTuple

from events.bus.digest import RecordDigest
from events.bus.publish import Publisher
from events.bus.tail import TopicTail
from events.bus.topic_creation import partitions_of
from events.bus.topics import Topics
from events.log import sequencer
from events.log.connection import Connection
from events.log.sequencer import LogState
from services.runtime.settings import Settings


class History(NamedTuple):
    """The end of the log, and the latest record of its relay on the bus."""

    topic: str
    state: LogState
    tail: TopicTail

    @property
    def is_lost(self) -> bool:
        """Return whether the bus has an event that the log does not have."""
        return self.tail > TopicTail(self.state.generation, self.state.position)

    @property
    def next_generation(self) -> int:
        """Return the number of a generation that neither the log nor the bus knows."""
        return max(self.state.generation, self.tail.generation) + 1


class LostHistory(Exception):
    """A topic with records that the log does not have: the log was restored from a backup."""

    def __init__(self, history: History) -> None:
        topic, state, tail = history
        super().__init__(
            f"{topic} has position {tail.position} of log generation {tail.generation}, but the "
            f"log ends at position {state.position} of generation {state.generation}: it was "
            "restored from a backup or lost its last events. Nothing is numbered before an "
            "operator runs `crm log begin-generation`"
        )


async def refuse_lost_history(conn: Connection, publisher: Publisher, digest: RecordDigest) -> None:
    """Raise `LostHistory` if the topic has a record that the log does not have.

    Its position would be given to another event a second time, and consumers would take that event
    for a duplicate.
    """
    history = await compare_history(conn, publisher, digest)
    if history.is_lost:
        raise LostHistory(history)


async def compare_history(conn: Connection, publisher: Publisher, digest: RecordDigest) -> History:
    """Compare the topic of a started publisher with the log."""
    tail = await publisher.latest_tail(digest)
    # Read after the tail: a position is committed before its record is published.
    return History(publisher.topic, await sequencer.read_log_state(conn), tail)


async def read_history(conn: Connection, settings: Settings) -> History:
    """Connect to the broker and compare; a topic that does not exist has no history."""
    servers, topic = settings.brokers, Topics.of(settings.topic_prefix).events
    state = await sequencer.read_log_state(conn)
    if not await partitions_of(servers, topic):
        return History(topic, state, TopicTail(0, 0))
    publisher = Publisher(servers, topic)
    try:
        await publisher.start()
        digest = await RecordDigest.load(conn, topic, state.id)
        return await compare_history(conn, publisher, digest)
    finally:
        await publisher.stop()
