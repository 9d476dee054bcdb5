"""Finding ``verificarlo-c`` and running it and what it compiled, here or in a container."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boundnet.errors import ToolError
from boundnet.mca.verificarlo.groups import run_group

COMPILER = "verificarlo-c"
OLDEST = (2, 4)
"""Version whose options and backends are used."""
ADVICE = (
    "install Verificarlo 2.4 or later (https://github.com/verificarlo/verificarlo) so that `verificarlo-c` is on PATH, give "
    "its place with --verificarlo PATH, or name a container image that has it with --container IMAGE; or sample without it: "
    "--backend builtin"
)
"""What to do where Verificarlo is absent."""
_PLACE = "/boundnet"  # where a container sees the folder


@dataclass(frozen=True)
class Toolchain:
    """How to run commands in a folder.

    Attributes:
        compiler: the path, or the name inside the container.
        engine: path of docker or podman, None to run here.
        image: of the container.
        version: what the compiler says it is.
    """

    compiler: str
    engine: str | None = None
    image: str = ""
    version: str = ""

    def command(
        self, words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, name: str = ""
    ) -> list[str]:
        """The command line that runs ``words`` with ``folder`` as working directory.

        Args:
            environment: variables to set, which a command run here gets from its caller.
            name: of the container, to stop it by.
        """
        if self.engine is None:
            return list(words)
        line = [self.engine, "run", "--rm", "--init", "--network", "none", "--user", f"{os.getuid()}:{os.getgid()}"]
        line += ["--volume", f"{folder}:{_PLACE}", "--workdir", _PLACE]
        line += ["--name", name] if name else []
        for key, value in (environment or {}).items():
            line += ["--env", f"{key}={value}"]
        return [*line, self.image, *words]

    def stop(self, name: str) -> None:
        """Kill the container ``name``, if it is one: the death of the engine's client does not stop it."""
        if self.engine is not None and name:
            subprocess.run([self.engine, "kill", name], capture_output=True, timeout=30, check=False)

    def compile(self, folder: Path, *words: str, limit: float = 300.0) -> None:
        """Run the compiler in ``folder``.

        Raises:
            ToolError: it fails or takes longer than ``limit`` seconds; with the end of what it printed.
        """
        # What a crashing compiler leaves in its folder for temporary files goes with this folder.
        done = self._run([self.compiler, *words], folder, limit, {"TMPDIR": str(folder)})
        if done.returncode != 0:
            lines = (done.stderr + done.stdout).strip().splitlines()
            full = next((line for line in lines if "No space left" in line), None)
            if full is not None:
                raise ToolError(
                    f"{folder}: {self.compiler} found no space left there ({full.strip()}); free some or set TMPDIR"
                )
            shown = "\n".join(lines[-12:]) or f"no message, exit code {done.returncode}"
            raise ToolError(f"{self.compiler} could not compile the emitted C (version {self.version}):\n{shown}")

    def _run(
        self, words: Sequence[str], folder: Path, limit: float, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        variables = {**(environment or {}), **self._beside()}
        try:
            return run_group(self.command(words, folder), folder, limit, variables)
        except subprocess.TimeoutExpired:
            raise ToolError(f"{words[0]} took more than {limit:g} s and was stopped") from None
        except OSError as error:
            raise ToolError(f"{words[0]}: can't be run ({error.strerror or error}); {ADVICE}") from None

    def _beside(self) -> dict[str, str]:
        """PATH with the compiler's own folder first: ``verificarlo-c`` calls ``verificarlo`` by its bare name."""
        if self.engine is not None or not os.path.dirname(self.compiler):
            return {}
        return {"PATH": os.pathsep.join(filter(None, (os.path.dirname(self.compiler), os.environ.get("PATH"))))}

    def checked(self) -> Toolchain:
        """This toolchain with its version filled in.

        Raises:
            ToolError: the compiler does not answer, or is too old.
        """
        done = self._run([self.compiler, "--version"], Path.cwd(), 120.0)
        text = (done.stdout + done.stderr).strip()
        match = re.search(r"verificarlo\s+v?(\d+\.\d+[\w.]*)", text)
        if done.returncode != 0 or match is None:
            where = f"container image {self.image}: " if self.engine else ""
            said = text.splitlines()[-1] if text else f"exit code {done.returncode}"
            raise ToolError(f"{where}{self.compiler} --version does not say which Verificarlo it is ({said}); {ADVICE}")
        if tuple(map(int, re.findall(r"\d+", match[1])[:2])) < OLDEST:
            raise ToolError(f"{self.compiler} is Verificarlo {match[1]}, which is too old; {ADVICE}")
        return Toolchain(self.compiler, self.engine, self.image, match[1])


def find(path: str | os.PathLike[str] | None = None, image: str | None = None) -> Toolchain:
    """The compiler at ``path`` (the program, or the folder Verificarlo is installed in), in container ``image``, or on PATH.

    Raises:
        ToolError: there is none; says what to install.
    """
    if image:
        engine = next((found for found in map(shutil.which, ("docker", "podman")) if found), None)
        if engine is None:
            raise ToolError(f"container image {image}: neither docker nor podman is on PATH; {ADVICE}")
        return Toolchain(COMPILER, engine, image).checked()
    if path:
        given = Path(path)
        places = [given, given / COMPILER, given / "bin" / COMPILER]
        found = next((str(place.resolve()) for place in places if place.is_file() and os.access(place, os.X_OK)), None)
        if found is None:
            raise ToolError(f"{given}: no executable {COMPILER} is there; {ADVICE}")
        return Toolchain(found).checked()
    found = shutil.which(COMPILER)
    if found is None:
        raise ToolError(f"{COMPILER} was not found; {ADVICE}")
    return Toolchain(found).checked()
