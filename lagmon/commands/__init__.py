"""The subcommands of ``lagmon``, a module each: `add` its arguments; `run` it, give its exit code."""
