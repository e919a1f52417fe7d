"""The subcommands of ``lagmon``, a module each: `add` its arguments, `run` it for an exit code."""
