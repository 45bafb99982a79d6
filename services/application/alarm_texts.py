"""The texts of all alarms: what each means and what to do.

The page of the pipeline, the alert rules of Prometheus (`docs/observability/rules.yml`) and the
runbook (`docs/observability/alarms.md`) have the same texts. A test compares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlarmText:
    """The texts of one alarm. `summary` is the alarm without numbers."""

    summary: str
    meaning: str
    action: str

    @property
    def section(self) -> str:
        """The anchor of the alarm's section in the runbook."""
        return "-".join(
            "".join(char for char in self.summary.lower() if char.isalnum() or char == " ").split()
        )


def _stopped(process: str) -> str:
    return f"Read the log of the process services.{process} and its /readyz: they name the error."


def _not_working(process: str) -> str:
    return f"Start the process services.{process}, or read its log and its /readyz."


_REBUILD = "Run `crm log begin-generation`, then `crm replay rebuild --all`."

ALARM_TEXTS: Mapping[str, AlarmText] = {
    "no_relay": AlarmText(
        "No relay works",
        "New events get no position and do not reach the bus. Requests still succeed, but no table "
        "changes.",
        _not_working("relay"),
    ),
    "history_lost": AlarmText(
        "The bus has events that the log does not have",
        "The database was restored from a backup that is older than the bus. The relay publishes "
        "nothing, so that no position is used twice.",
        "Follow docs/restoring.md: begin a new generation of the log, then rebuild the tables.",
    ),
    "staged_refused": AlarmText(
        "The log refuses changes of the host's rows",
        "What the host wrote in its tables is not in the log. Later changes of the same rows wait.",
        "`crm staged list` shows them. Repair the rows, then `crm staged retry`.",
    ),
    "staged_waiting": AlarmText(
        "Changes of the host's rows wait",
        "What the host wrote in its tables is not in the log after a minute. The relay appends it.",
        _not_working("relay"),
    ),
    "projector_standstill": AlarmText(
        "The tables stand still",
        "Events wait, and no projector applies them. Pages and API show old rows.",
        _stopped("projector"),
    ),
    "workflows_standstill": AlarmText(
        "The policies stand still",
        "Events wait, and the policies do not see them: no run starts, and no message is planned.",
        _stopped("workflows"),
    ),
    "projector_behind": AlarmText(
        "The tables are behind",
        "The oldest event that is not applied has waited for more than a minute, but work goes on.",
        "See on the page of the pipeline whether the lag shrinks. If it grows, start more "
        "projectors: docs/scaling.md.",
    ),
    "workflows_behind": AlarmText(
        "The policies are behind",
        "Workflows and follow-ups react late, but work goes on.",
        "See on the page of the pipeline whether the lag shrinks. If it grows, start more "
        "processes services.workflows.",
    ),
    "projector_beyond_log": AlarmText(
        "The tables are beyond the log",
        "The log was restored from a backup without the tables, which contain later events.",
        _REBUILD,
    ),
    "workflows_beyond_log": AlarmText(
        "The policies are beyond the log",
        "The log was restored from a backup, and the policies have seen later events.",
        _REBUILD,
    ),
    "projector_generation": AlarmText(
        "The tables are of another generation of the log",
        "The log was restored, and the tables were made from the log before that.",
        "Run `crm replay rebuild --all`.",
    ),
    "workflows_generation": AlarmText(
        "The policies are of another generation of the log",
        "The log was restored, and the policies have seen the log before that.",
        "Run `crm replay rebuild --all`.",
    ),
    "projector_version": AlarmText(
        "The tables are not of this build",
        "A projection of this build has another version than its live table.",
        "Run `crm replay rebuild` with the changed projections: Projections shows them.",
    ),
    "workflows_version": AlarmText(
        "The policies are not of this build",
        "The policies of this build have another version than their checkpoints.",
        "Run `crm replay rebuild` with the changed projections: Projections shows them.",
    ),
    "overdue": AlarmText(
        "Timers are overdue",
        "Due timers wait for more than five minutes, and nobody works on them. Runs of workflows "
        "and reminders of tours do not go on.",
        _not_working("workflows"),
    ),
    "overdue_delivery": AlarmText(
        "Messages are overdue",
        "Due messages wait for more than five minutes, and nobody hands them over.",
        _not_working("sender"),
    ),
    "stopped": AlarmText(
        "Messages are stopped",
        "An operator stopped messages. They wait until the stop is lifted.",
        "`crm delivery go` lets them leave.",
    ),
    "held": AlarmText(
        "Many messages are held",
        "More than 500 messages have been held for twelve hours. Quiet hours end within a day, so "
        "a rule or a stop holds them.",
        "`crm delivery list --status held` shows the reasons.",
    ),
    "unknown": AlarmText(
        "It is not known whether messages left",
        "The sender was interrupted between a hand-over and its result, and the provider cannot "
        "say what it has. Such a message is not sent again.",
        "`crm delivery list --status unknown` shows them. `crm delivery reconcile` settles them: "
        "it asks the provider, or takes your word.",
    ),
    "parked": AlarmText(
        "Events are parked",
        "A projector or the database refused events. They wait, with all later events of the same "
        "leads; everything else goes on.",
        "See the reason, repair it, then try them again.",
    ),
    "refused": AlarmText(
        "Records of producers are refused",
        "The intake keeps them as dead letters. Their producers think that they sent them.",
        "See the reason, repair it, then redrive or drop them.",
    ),
    "policy_failures": AlarmText(
        "Policies could not act",
        "A policy met an error that a repetition does not repair. Its event waits.",
        "`crm policy failures` shows why. Repair it, then `crm policy retry`.",
    ),
    "stuck_runs": AlarmText(
        "Runs of workflows are stuck",
        "Runs make no progress. Their leads get no further message of the workflow.",
        "`crm workflow stuck` shows the runs, with the reason and what to do.",
    ),
    "forged_records": AlarmText(
        "Records of the bus are not believed",
        "A record on the topic of events was not written by the relay. Nothing of it is applied.",
        "Find out who may write to crm.events, and take the right away: docs/consuming.md.",
    ),
    "intake_unread": AlarmText(
        "Records of producers wait to be read",
        "More than 1,000 records of the topic of the intake are not admitted.",
        _not_working("intake"),
    ),
    "process_down": AlarmText(
        "A process does not answer",
        "The health port of a process cannot be reached: the process, its machine or the way to it "
        "is down.",
        "Look whether the process runs, and read its last lines. The label `process` names it.",
    ),
    "process_restarts": AlarmText(
        "A process is restarted again and again",
        "A process started more than three times in a quarter of an hour.",
        "Read its last lines before each start. The label `process` names it.",
    ),
    "database_unreachable": AlarmText(
        "The database cannot be reached",
        "Processes cannot connect to PostgreSQL. Nothing is read or written; nothing is lost.",
        "Start PostgreSQL, or repair the network or DATABASE_URL. All processes go on by "
        "themselves.",
    ),
    "broker_unreachable": AlarmText(
        "The broker cannot be reached",
        "Processes cannot connect to Kafka. Appends succeed; tables and policies do not see them "
        "yet.",
        "Start Kafka, or repair the network or KAFKA_BOOTSTRAP_SERVERS. All processes go on by "
        "themselves.",
    ),
    "not_ready": AlarmText(
        "A process is not ready",
        "A check of a process reports a problem for five minutes. The label `check` names it.",
        "Read its /readyz, which says what is wrong and what to do.",
    ),
    "key_missing": AlarmText(
        "A data key is missing",
        "The key store lacks the key of a person. Events of the person cannot be read.",
        "Follow docs/privacy.md, section Lost and wrong keys.",
    ),
    "disk_full": AlarmText(
        "The disk is nearly full",
        "The disk on which the timers process works has less than 15 % of free space, or will be "
        "full within a day. PostgreSQL stops when its disk is full. If it has a disk of its own, "
        "watch that disk too.",
        "Free space or enlarge the disk. docs/growth.md says what grows.",
    ),
    "clock": AlarmText(
        "A clock is wrong",
        "The clock of a machine differs from that of the database by more than two seconds. "
        "Timers and quiet hours are off by as much.",
        "Repair the time service (NTP) of both machines.",
    ),
    "api_errors": AlarmText(
        "The API answers with errors",
        "More than 1 % of all answers of five minutes had a status of 500 or more.",
        "Read the log of the process services.api: it has one line with the error for each.",
    ),
    "api_slow": AlarmText(
        "The API is slow",
        "One of a hundred answers took longer than half a second, for ten minutes. Streams are not "
        "counted.",
        "The dashboard HTTP shows which route. docs/performance.md says what is usual.",
    ),
}
"""Code of an alarm → its texts."""
