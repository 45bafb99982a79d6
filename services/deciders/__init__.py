"""Pure decisions: a command and what happened so far give new facts, or a refusal."""
