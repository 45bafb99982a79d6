"""The `crm` command by noun: every module here with an `app` is a sub-command of its name."""
