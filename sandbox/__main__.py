"""Runs the sandbox' command line: `python -m sandbox up|down|load|status`."""

from sandbox.cli import application

if __name__ == "__main__":
    application()
