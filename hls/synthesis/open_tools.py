"""Open tools of synthesis: as wheels, or those on PATH where these are newer."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from keras_ae.errors import InputError, ProofError


@dataclass(frozen=True)
class OpenTool:
    """A `program`, and the `module` of the wheel with the function that runs it."""

    program: str
    module: str
    function: str

    def find(self) -> tuple[list[str], str]:
        """The command that runs the newest, and its version.

        Raises:
            InputError: there is none.
        """
        commands = []
        if importlib.util.find_spec(self.module) is not None:
            code = f"import sys, {self.module} as m; sys.exit(m.{self.function}(sys.argv[1:]))"
            commands.append([sys.executable, "-c", code])
        on_path = shutil.which(self.program)
        if on_path is not None:
            commands.append([on_path])
        found = [(command, _version(command)) for command in commands]
        if not found:
            raise InputError(
                f"{self.program} must be installed for synthesis, found none: "
                "pip install 'keras-ae[rtl]'"
            )
        return max(found, key=lambda pair: [int(part) for part in re.findall(r"\d+", pair[1])])

    def run(self, arguments: list[str], folder: Path) -> str:
        """Run it in `folder`; returns its version.

        Raises:
            InputError: there is none.
            ProofError: it does not take what it is given.
        """
        command, version = self.find()
        result = subprocess.run(
            [*command, *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        if result.returncode:
            lines = (result.stderr + result.stdout).splitlines()
            said = next((line for line in lines if "ERROR" in line), "no message")
            raise ProofError(f"{self.program} must accept the RTL in {folder}, got: {said}")
        return version


def _version(command: list[str]) -> str:
    result = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"(\d+\.\d+)", result.stdout + result.stderr)
    return version[1] if version else "0.0"
