"""Ports of servers on this machine."""

from pathlib import Path

from services.local_stack.ports import free_port, remembered_port


def test_two_ports_of_one_server_differ(tmp_path: Path) -> None:
    """The system can name a port as free again until a server listens on it."""
    file = tmp_path / "port"
    port = free_port()
    file.write_text(str(port))
    assert remembered_port(file) == port
    other = remembered_port(file, other_than=port)
    assert other != port
    assert remembered_port(file) == other
