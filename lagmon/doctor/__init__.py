"""What ``lagmon doctor`` makes of what it saw: findings, each with why it matters and what to do.

`examination` is what a cluster's brokers told, `findings` what that and all else means (pure, with
`clusters`, `clocks` and `surroundings`), `sheet` how it is printed. `asking` is the one part that
starts something: the process that looks at a cluster.
"""
