"""Apache Kafka 4 without Docker: its jars from Maven on Java 17 or newer, one combined node."""

import shutil
from pathlib import Path

from services.local_stack.child_process import StackError, last_lines, spawn, wait_for_end
from services.local_stack.maven import cache_directory, fetch_jars, find_tool
from services.local_stack.ports import HOST, remembered_port
from services.local_stack.server import ServerProcess, restart

VERSION = "4.4.0"
ARTIFACT = f"org.apache.kafka:kafka_2.13:{VERSION}"
CLUSTER_ID = "bGVhc2luZy1jcm0tdGVzdA"
START_SECONDS = 120.0
STOP_SECONDS = 60.0

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
num.partitions=8
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""
SASL_PROPERTIES = """\
listener.security.protocol.map=SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=SASL_PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required \
username="{user}" password="{password}";
"""


class Kafka:
    """One Kafka node, which keeps its data and its port over restarts.

    `jars` is the directory of the jars; by default a cache directory of the user, which Maven
    fills once. With `login` (user and password) clients must log in by SCRAM-SHA-512.
    """

    is_volatile = False

    def __init__(
        self,
        directory: Path,
        *,
        jars: Path | None = None,
        log: Path | None = None,
        login: tuple[str, str] | None = None,
    ) -> None:
        self._login = login
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.log = (log or self.directory / "kafka.log").resolve()
        self.jars = (jars or cache_directory(f"kafka-{VERSION}")).resolve()
        self._process = ServerProcess("Kafka", "java", self.directory / "pid", self.log)

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{(self.directory / 'port').read_text(encoding='ascii')}"

    def start(self) -> None:
        """Start the node unless it runs already; wait until it accepts connections."""
        if self.pid is not None:
            return
        fetch_jars(self.jars, ARTIFACT)
        self.directory.mkdir(parents=True, exist_ok=True)
        port = self._configure()
        self._format()
        command = self._java("kafka.Kafka", "server.properties")
        self._process.launch(command, port=port, seconds=START_SECONDS)

    def stop(self) -> None:
        """Stop the node; its data stays."""
        self._process.stop(STOP_SECONDS)
        self._process.pid_file.unlink(missing_ok=True)

    def crash(self) -> None:
        """Send SIGKILL."""
        self._process.crash()

    def restart(self, *, crash: bool = False) -> None:
        """Stop or crash the node, and start it with the same data on the same port."""
        restart(self, crash=crash)

    def wipe(self) -> None:
        """Stop the node and delete its topics, records and offsets."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)

    def _configure(self) -> int:
        port = remembered_port(self.directory / "port")
        text = PROPERTIES.format(
            host=HOST,
            port=port,
            controller_port=remembered_port(self.directory / "controller-port", other_than=port),
            data=self.data,
        )
        if self._login is not None:
            text = text.replace("PLAINTEXT://", "SASL_PLAINTEXT://")
            text += SASL_PROPERTIES.format(user=self._login[0], password=self._login[1])
        (self.directory / "server.properties").write_text(text, encoding="utf-8")
        return port

    def _format(self) -> None:
        if (self.data / "meta.properties").exists():
            return
        scram = []
        if self._login is not None:
            user, password = self._login
            scram = ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
        command = self._java(
            "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", "server.properties",
            *scram,
        )  # fmt: skip
        if wait_for_end(spawn(command, log=self.log, cwd=self.directory), START_SECONDS):
            raise StackError(f"Kafka's storage could not be formatted:\n{last_lines(self.log)}")

    def _java(self, *arguments: str) -> list[str]:
        return [find_tool("java"), "-Xmx768m", "-cp", f"{self.jars}/*", *arguments]
