"""Open tools of synthesis: as wheels, or those on PATH where these are newer."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from keras_ae.errors import InputError, ProofError
from keras_ae.files import locked

#: Ends with the thread that waits for it, even where that is killed, on systems that know how.
_RUN = """
import ctypes, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
import {0}
sys.exit({0}.{1}(sys.argv[1:]))
"""


@dataclass(frozen=True)
class OpenTool:
    """A `program`, the `module` of the wheel with the function that runs it, and what it is for."""

    program: str
    module: str
    function: str
    purpose: str

    def find(self) -> tuple[list[str], str]:
        """The command that runs the newest, and its version.

        Raises:
            InputError: there is none.
        """
        commands = []
        if importlib.util.find_spec(self.module) is not None:
            commands.append([sys.executable, "-c", _RUN.format(self.module, self.function)])
        on_path = shutil.which(self.program)
        if on_path is not None:
            commands.append([on_path])
        # A wheel compiles itself when it runs for the first time: two at once would write one file.
        lock = Path(tempfile.gettempdir()) / f"keras-ae-{self.program}-{os.getuid()}.lock"
        with locked(lock, wait=True):
            found = [(command, _version(command)) for command in commands]
        if not found:
            raise InputError(
                f"{self.program} must be installed, found none: pip install 'keras-ae[rtl]' "
                f"(it is for {self.purpose})"
            )
        return max(found, key=lambda pair: [int(part) for part in re.findall(r"\d+", pair[1])])

    def run(self, arguments: list[str], folder: Path) -> str:
        """Run it in `folder`; returns its version.

        Raises:
            InputError: there is none, or it is killed, as by a system without memory.
            ProofError: it does not take what it is given.
        """
        command, version = self.find()
        result = subprocess.run(
            [*command, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if result.returncode < 0:
            raise InputError(
                f"{self.program} must end by itself, but was ended by "
                f"{signal.Signals(-result.returncode).name}: is there memory enough?"
            )
        if result.returncode:
            lines = (result.stderr + result.stdout).splitlines()
            said = next((line for line in lines if "ERROR" in line), (lines or ["nothing"])[-1])
            raise ProofError(f"{self.program} must accept the RTL in {folder}, got: {said}")
        return version


def _version(command: list[str]) -> str:
    result = subprocess.run(
        [*command, "--version"], capture_output=True, text=True, errors="replace", check=False
    )
    version = re.search(r"(\d+\.\d+)", result.stdout + result.stderr)
    return version[1] if version else "0.0"
