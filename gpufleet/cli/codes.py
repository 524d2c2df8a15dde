"""Exit codes."""

# Of states, worst first. No state's own code is 64: the command line itself was wrong.
CODES = {"failed": 1, "blocked": 3, "waits": 2, "changes": 2, "same": 0}
USAGE = 64
