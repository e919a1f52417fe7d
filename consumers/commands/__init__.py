"""The subcommands of ``consumers``, a module each: `add` its arguments, `run` it for an exit code.

What the long-running ones have in common is in `consumers.commands.service`.
"""
