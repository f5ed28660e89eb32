"""Runs the program as a child process."""

from tests.support.fixtures import listen, listen_raw, load, make

__all__ = ["listen", "listen_raw", "load", "make"]
