"""What the subcommands do; :mod:`boundnet.cli` declares their options and imports these only when they run."""
