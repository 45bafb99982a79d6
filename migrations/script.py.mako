<%
import re
name = re.sub(r"\W+", "_", message).strip("_").lower()[:40]
%>\
"""${message.strip().rstrip(".")}."""

% if upgrades and upgrades != "pass":
import sqlalchemy as sa

from alembic import op
% else:
from migrations.scripts import run
% endif

revision = "${up_revision}"
down_revision = "${down_revision}"


def upgrade() -> None:
% if upgrades and upgrades != "pass":
    ${upgrades}
% else:
    run("${up_revision}_${name}.sql")
% endif


def downgrade() -> None:
% if downgrades and downgrades != "pass":
    ${downgrades}
% else:
    run("${up_revision}_${name}.down.sql")
% endif
