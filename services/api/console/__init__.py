"""The console: pages for agents and operators, rendered in the API process under /console."""
