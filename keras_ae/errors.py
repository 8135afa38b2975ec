"""The one error class for the user's mistakes."""

from __future__ import annotations


class InputError(ValueError):
    """Something the user gave cannot be used: the message names subject, rule, value and choices.

    The command line prints it as one line and exits with code 2. Everything else that is raised is
    either the operating system's (OSError) or a defect of this package.
    """
