"""Run the command `learnerdsl` as `python -m learnerdsl`."""

from learnerdsl.command import main

main()
