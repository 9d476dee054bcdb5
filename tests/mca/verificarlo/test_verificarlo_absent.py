"""The Verificarlo backend where Verificarlo is absent, broken, slow or not what it says: a script stands in for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_models import classifier
from typer.testing import CliRunner

from boundnet import ops
from boundnet.arithmetic.presets import build, preset
from boundnet.cli.app import app
from boundnet.errors import FormatError, InputError, ToolError, UnsupportedLayerError
from boundnet.frontends import load
from boundnet.graph import LayerGraph
from boundnet.mca.backend import Job, Sampling, backend
from boundnet.mca.verificarlo.modes import mode_for
from boundnet.mca.verificarlo.processes import Pool, Run
from boundnet.mca.verificarlo.toolchain import Toolchain, find

CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
PLAIN = f'case "$1" in --version) echo "verificarlo 9.9";; *) exec {CC} "$@";; esac\n'


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for temporary files, to see what is left in it."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def script(folder: Path, text: str, name: str = "verificarlo-c") -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def job(tmp_path: Path, compiler: Path | None = None, **options: object) -> Job:
    graph = load(str(classifier(tmp_path / "m.h5")))
    return Job(graph, None, preset("binary32"), (Sampling(2),), {"verificarlo": compiler, **options})


def test_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for options in ({}, {"container": "some/image"}, {"verificarlo": tmp_path / "nowhere"}):
        with pytest.raises(ToolError) as caught:
            find(options.get("verificarlo"), options.get("container"))  # type: ignore[arg-type]
        text = str(caught.value)
        assert "install Verificarlo 2.4 or later" in text
        assert "--backend builtin" in text
    with pytest.raises(ToolError, match="verificarlo-c was not found"):
        backend("verificarlo").executions(job(tmp_path))


def test_found_by_folder_and_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    compiler = script(tmp_path / "bin", PLAIN)
    for place in (compiler, compiler.parent, tmp_path):
        assert find(place) == Toolchain(str(compiler), version="9.9")
    monkeypatch.setenv("PATH", f"{compiler.parent}{os.pathsep}{os.environ['PATH']}")
    assert find().version == "9.9"


def test_the_compiler_s_own_helpers_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real ``verificarlo-c`` is a script that calls ``verificarlo`` by name: off PATH, only its folder has that."""
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin", PLAIN, "verificarlo")
    script(tmp_path / "bin", 'exec verificarlo "$@"\n')
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    toolchain = find(tmp_path)
    assert toolchain.version == "9.9"
    (tmp_path / "p.c").write_text("int main(void) { return 0; }\n")
    toolchain.compile(tmp_path, "p.c", "-o", "p")
    assert (tmp_path / "p").is_file()
    monkeypatch.delenv("PATH")
    assert find(tmp_path / "bin" / "verificarlo-c").version == "9.9"


def test_not_verificarlo(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"does not say which Verificarlo it is \(gcc 12\)"):
        find(script(tmp_path, "echo gcc 12\n"))


def test_old_verificarlo(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"Verificarlo 2\.3\.1, which is too old; install Verificarlo 2\.4 or later"):
        find(script(tmp_path, "echo verificarlo v2.3.1\n"))
    assert find(script(tmp_path, "echo verificarlo 2.10rc1\n")).version == "2.10rc1"


def test_full_disk_while_compiling(tmp_path: Path, temporary: Path) -> None:
    """Said in one line; what a crashing compiler leaves in its folder for temporary files is deleted."""
    text = 'touch "$TMPDIR/symbolizer-input"; echo "fatal error: No space left on device" >&2; seq 40 >&2; exit 1'
    compiler = script(tmp_path, f'case "$1" in --version) echo verificarlo 2.4.0;; *) {text};; esac\n')
    with pytest.raises(
        ToolError, match=r"no space left there \(fatal error: No space left on device\); free some or set TMPDIR$"
    ):
        backend("verificarlo").executions(job(tmp_path, compiler))
    assert not list(temporary.iterdir())


def test_compiler_fails(tmp_path: Path, temporary: Path) -> None:
    compiler = script(
        tmp_path, 'case "$1" in --version) echo verificarlo 2.4.0;; *) echo clang: no such thing >&2; exit 1;; esac\n'
    )
    with pytest.raises(ToolError, match=r"could not compile .*version 2\.4\.0.*\n.*no such thing"):
        backend("verificarlo").executions(job(tmp_path, compiler))
    assert not list(temporary.iterdir())


@pytest.mark.skipif(CC is None, reason="no C compiler on PATH")
def test_missing_instrumentation_is_noticed(tmp_path: Path, temporary: Path) -> None:
    with pytest.raises(ToolError, match=r"did not instrument .* add 0 of 28, sub 0 of 2, mul 0 of 20, div 0 of 2"):
        backend("verificarlo").executions(job(tmp_path, script(tmp_path, PLAIN)))
    assert not list(temporary.iterdir())


@pytest.mark.skipif(CC is None, reason="no C compiler on PATH")
def test_missing_noise_is_noticed(tmp_path: Path, temporary: Path) -> None:
    """A compiler whose programs count as they should but add no noise."""
    wrap = (
        "mv network real; printf '#!/bin/sh\\nexec ./real \"$@\"\\n' > network; "
        "printf 'echo \"mul=20 div=2 add=28 sub=2 fma=0\" >&2\\n' | cat - network > n2; mv n2 network; "
        "printf '#!/bin/sh\\n' | cat - network > n2; mv n2 network; chmod +x network"
    )
    text = (
        f'case "$*" in --version) echo verificarlo 2.4.0;; *"-o network"*) {CC} "$@" && {wrap};; *) exec {CC} "$@";; esac\n'
    )
    with pytest.raises(ToolError, match="two Monte Carlo samples are the same"):
        backend("verificarlo").executions(job(tmp_path, script(tmp_path, text)))
    assert not list(temporary.iterdir())


def test_unknown_op_is_refused_before_compiling(tmp_path: Path, temporary: Path) -> None:
    class Strange(ops.Dense):
        pass

    graph = LayerGraph("odd")
    graph.set_outputs([graph.add("y", Strange(np.eye(2)), [graph.add("x", ops.Input((2,)))])])
    compiler = script(tmp_path, f'case "$1" in --version) echo verificarlo 2.4;; *) touch {tmp_path}/compiled;; esac\n')
    with pytest.raises(UnsupportedLayerError, match="Strange"):
        backend("verificarlo").executions(Job(graph, None, preset("binary32"), options={"verificarlo": compiler}))
    assert not (tmp_path / "compiled").exists()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_time_limit_must_be_positive(tmp_path: Path, limit: float) -> None:
    with pytest.raises(InputError, match="--timeout"):
        backend("verificarlo").executions(job(tmp_path, timeout=limit))


@pytest.mark.parametrize("command", ["mca", "crosscheck"])
def test_commands_say_that_it_is_absent(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier(tmp_path / "m.h5")
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(app, [command, str(model), "--backend", "verificarlo", "--json", str(tmp_path / "out.json")])
    assert done.exit_code == 2
    assert "verificarlo-c was not found; install Verificarlo" in done.output
    assert not (tmp_path / "out.json").exists()


def test_modes() -> None:
    single, double = preset("binary32"), preset("binary64")
    rr = mode_for(single, Sampling(5, "rr", 11))
    assert rr.environment(7)["VFC_BACKENDS"] == "libinterflop_mca.so --mode=rr --precision-binary32=11 --seed=7"
    assert str(rr.arithmetic.perturbation) == "rr(11)"
    assert (str(rr.arithmetic.order), rr.arithmetic.fma, rr.arithmetic.bias) == ("sequential", "no", "last")
    assert "--precision-binary64=53" in mode_for(double, Sampling(5, "mca", 53)).options
    stochastic = mode_for(single, Sampling(5, "stochastic"))
    assert (stochastic.options, stochastic.arithmetic.rounding) == ("libinterflop_mca_int.so --mode=rr", "stochastic")
    assert mode_for(single, Sampling(1, "none")).environment(3)["VFC_BACKENDS"] == "libinterflop_ieee.so"
    narrow = mode_for(build(storage="float(8,8)", accumulate="float(8,8)"), Sampling(1, "none"))
    assert narrow.narrow == (8, 8)
    assert narrow.options.endswith("--mode=full --range-binary32=8")
    assert mode_for(build(storage="float(13,5)", accumulate="float(13,5)"), Sampling(1, "none")).arithmetic.rounding == "any"


@pytest.mark.parametrize(("options", "sampling", "message"), [
    ({"name": "bfloat16"}, Sampling(), "the same"),
    ({"storage": "bfloat16", "accumulate": "bfloat16"}, Sampling(), "VPREC"),
    ({"storage": "fp8_e4m3fn", "accumulate": "fp8_e4m3fn"}, Sampling(1, "none"), "IEEE 754"),
    ({"order": "pairwise"}, Sampling(), "document order"),
    ({"fma": "yes"}, Sampling(), "does not fuse"),
    ({"bias": "first"}, Sampling(), "bias last"),
    ({"subnormals": "ftz"}, Sampling(), "flush"),
    ({"rounding": "toward_zero"}, Sampling(), "nearest"),
    ({}, Sampling(1, "rr", 30), "at most 24"),
])  # fmt: skip
def test_what_verificarlo_cannot_execute(options: dict[str, str], sampling: Sampling, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        mode_for(build(**options), sampling)  # type: ignore[arg-type]


def test_container_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for docker that runs the command here, in the folder that it was given."""
    log = tmp_path / "log"
    script(tmp_path, f'echo "$@" >> {log}\n[ "$1" = kill ] && exit\n'
           'while [ "$1" != some/image ]; do [ "$1" = --volume ] && place=${2%:*}; [ "$1" = --env ] && export "$2"; shift; done\n'
           'shift; cd "$place" && [ "$1" = verificarlo-c ] && echo verificarlo 2.4.1 && exit\nexec "$@"\n', "docker")  # fmt: skip
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    toolchain = find(image="some/image")
    assert toolchain.version == "2.4.1"
    folder = tmp_path / "f"
    folder.mkdir()
    pool = Pool(toolchain, 2, 5.0)
    output = pool.one(Run(("sh", "-c", "echo $VFC_BACKENDS; pwd"), folder, {"VFC_BACKENDS": "lib --seed=1"}, "a run"))
    assert output.stdout.decode().splitlines() == ["lib --seed=1", str(folder)]
    assert "run --rm --init --network none" in log.read_text()
    pool.limit = 0.3
    with pytest.raises(ToolError, match=r"more than 0\.3 s"):
        pool.one(Run(("sleep", "60"), folder, {}, "a long run"))
    assert "kill boundnet-" in log.read_text()


def here(*words: str) -> Run:
    return Run(words, Path.cwd(), {}, "input 3")


def test_failures_of_processes() -> None:
    pool = Pool(Toolchain("none"), 2, 5.0)
    with pytest.raises(ToolError, match=r"input 3: exit code 3 \(oh\)"):
        pool.one(here("sh", "-c", "echo oh >&2; exit 3"))
    with pytest.raises(ToolError, match="input 3: killed by signal 9"):
        pool.one(here("sh", "-c", "kill -9 $$"))
    with pytest.raises(ToolError, match="can't be run"):
        pool.one(here("./not-there"))
    assert [pool.one(here("echo", "x")).stdout, sorted(i for i, _ in pool.all([here("echo")] * 9))] == [
        b"x\n",
        list(range(9)),
    ]


def test_one_failure_stops_the_others() -> None:
    pool = Pool(Toolchain("none"), 3, 60.0)
    start = time.monotonic()
    with pytest.raises(ToolError, match="exit code 1"):
        list(pool.all([here("sleep", "50"), here("sleep", "50"), here("false")]))
    assert time.monotonic() - start < 20
    assert not pool._running


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_interrupt_leaves_no_process(tmp_path: Path) -> None:
    text = (
        "from pathlib import Path\nfrom boundnet.mca.verificarlo.processes import Pool, Run\n"
        "from boundnet.mca.verificarlo.toolchain import Toolchain\n"
        f"runs = [Run(('sh', '-c', 'echo $$ >> {tmp_path}/pids; exec sleep 60'), Path.cwd(), {{}}, 'x')] * 4\n"
        "list(Pool(Toolchain('none'), 2, 60.0).all(runs))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.PIPE)
    pids = tmp_path / "pids"
    for _ in range(400):
        if pids.exists() and len(pids.read_text().split()) == 2:
            break
        time.sleep(0.05)
    timer = threading.Timer(30, child.kill)
    timer.start()
    child.send_signal(signal.SIGINT)
    child.communicate()
    timer.cancel()
    assert child.returncode != -signal.SIGKILL
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
