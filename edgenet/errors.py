"""The one exception type for what a user can put right."""


class EdgenetError(ValueError):
    """Says in one sentence what is wrong, where, and what to do. The command line prints it and exits with 1."""
