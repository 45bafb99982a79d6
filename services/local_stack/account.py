"""The account under which PostgreSQL runs, because it refuses to run as root."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

ACCOUNT = "embedded_postgres"
FALLBACK = "nobody"


def unprivileged_user() -> str | None:
    """Return the user for a server if this process runs as root, otherwise None.

    The account is created once.
    """
    if os.geteuid() != 0:
        return None
    if _exists(ACCOUNT):
        return ACCOUNT
    if useradd := shutil.which("useradd"):
        subprocess.run(
            [useradd, "--system", "--no-create-home", "--shell", "/bin/false", ACCOUNT],
            check=False,
            capture_output=True,
        )
    return ACCOUNT if _exists(ACCOUNT) else FALLBACK


def allow_traversal(user: str, *targets: Path) -> None:
    """Let `user` reach the targets: add the right to traverse (o+x) to their parent directories."""
    import pwd

    account = pwd.getpwnam(user)
    for target in targets:
        for directory in target.resolve().parents:
            mode = directory.stat()
            if mode.st_uid != account.pw_uid and not mode.st_mode & stat.S_IXOTH:
                directory.chmod(stat.S_IMODE(mode.st_mode) | stat.S_IXOTH)


def _exists(user: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
