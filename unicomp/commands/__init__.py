"""The commands of `unicomp`, a module each: `add` makes its parser, which runs its `run`."""
