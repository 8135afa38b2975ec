"""Errors that the command line explains in one line."""

from __future__ import annotations


class InputError(ValueError):
    """Something the user gave cannot be used: the message names subject, rule, value and choices.

    The command line prints it as one line and exits with code 2. Everything else that is raised is
    either the operating system's (OSError) or a defect of this package.
    """


class ProofError(Exception):
    """Firmware and model are not the same function; the command line exits with code 1."""
