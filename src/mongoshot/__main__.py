"""Let `python -m mongoshot` be the command line."""

from mongoshot.cli import main

main()
