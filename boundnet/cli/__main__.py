"""``python -m boundnet.cli``."""

from boundnet.cli.app import main

main()
