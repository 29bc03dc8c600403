"""Input that is wrong: one clear message, the right exit code, no traceback, nothing written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_support import SCENARIO, Shell, files_of, write

from planner.answer.plan import write_text

HEAD = "id,field,low,value,high,unit,as_of,source,kind,note\n"


def changed(old: str, new: str) -> str:
    """The small scenario with one text in place of another."""
    assert old in SCENARIO
    return SCENARIO.replace(old, new)


WRONG = {
    "unknown field": (changed("power_mw: 1", "power_mv: 1"), "small.yaml:6", "did you mean 'power_mw'?"),
    "wrong sign": (changed("power_mw: 1", "power_mw: -1"), "sites[0].power_mw", "may not be negative"),
    "wrong unit": (changed("power_mw: 1", "power_mw: 1000 kW"), "sites[0].power_mw", "in MW"),
    "too large for the unit": (changed("power_mw: 1", "power_mw: 20000"), "sites[0].power_mw", "in MW"),
    "not a number": (changed("power_mw: 1", "power_mw: .nan"), "sites[0].power_mw", "must be a finite number"),
    "infinity": (changed("power_mw: 1", "power_mw: .inf"), "sites[0].power_mw", "must be a finite number"),
    "missing model": (changed("llama-3.1-8b", "llama-3.1-8c"), "small.yaml:12", "did you mean 'llama-3.1-8b'?"),
    "missing system": (changed("hgx_h100_oem", "hgx_h100_orm"), "hardware.systems", "did you mean 'hgx_h100_oem'?"),
    "duplicate key": (changed("power_mw: 1", "power_mw: 1\n    power_mw: 2"), "duplicate key", "lines 6 and 7"),
    "circular override": (
        changed("double: {", "a: {include: b}\n  b: {include: a}\n  double: {"), "overrides.a", "circle: ",
    ),
    "alias bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", "small.yaml:1", "aliases (*) are not read"),
    "a tag": (changed("name: small", "name: !!python/object/apply:os.getcwd []"), "small.yaml:1", "tags (!)"),
    "ten megabytes": ("#" + "x" * (10 << 20), "small.yaml", "too large for a scenario"),
    "deep nesting": ("a: " + "[" * 500 + "]" * 500, "small.yaml:1", "nested deeper"),
    "not YAML": ("name: [", "small.yaml", "not valid YAML"),
    "not text": ("name: \x00", "small.yaml", ""),
    "empty": ("", "small.yaml", "is empty"),
    "a list": ("- 1\n- 2\n", "small.yaml", "must be a mapping"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_scenario_is_refused_where_it_is_wrong(shell: Shell, tmp_path: Path, case: str) -> None:
    text, place, message = WRONG[case]
    file = write(tmp_path, text)
    assert shell("plan", file, "--out", tmp_path / "out", "--json") == 2
    assert shell.out == ""
    assert all(line.startswith("error: ") for line in shell.err.strip().splitlines())
    assert place in shell.err
    assert message in shell.err
    assert files_of(tmp_path) == {"small.yaml"}


def test_two_workloads_of_one_name(shell: Shell, tmp_path: Path) -> None:
    start = SCENARIO.index("  - name: chat")
    end = SCENARIO.index("overrides:")
    twice = SCENARIO[:end] + SCENARIO[start:end] + SCENARIO[end:]
    assert shell("plan", write(tmp_path, twice)) == 2
    assert "'chat' is the name of another" in shell.err


def test_every_problem_is_told_at_once(shell: Shell, tmp_path: Path) -> None:
    text = changed("power_mw: 1", "power_mw: -1").replace("requests_per_s: 5", "requests_per_s: lots")
    assert shell("plan", write(tmp_path, text)) == 2
    assert sum(line.startswith("error: ") for line in shell.err.splitlines()) == 2


def test_a_variant_that_is_not_there(shell: Shell, tmp_path: Path) -> None:
    assert shell("plan", write(tmp_path), "--variant", "doubel") == 2
    assert "did you mean 'double'?" in shell.err


def test_an_empty_catalog_folder(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    assert shell("plan", write(tmp_path), "--catalog", tmp_path / "own", "--out", tmp_path / "out") == 2
    assert "holds nothing to read" in shell.err
    assert not (tmp_path / "out").exists()


def test_a_catalog_folder_that_is_not_there(shell: Shell, tmp_path: Path) -> None:
    assert shell("catalog", "check", "--catalog", tmp_path / "none") == 2
    assert "none" in shell.err


def test_duplicate_ids_in_a_catalog_folder(shell: Shell, tmp_path: Path) -> None:
    rows = "".join(f"my,tdp_w,,{watts},,w,2026-01,me,measured,\n" for watts in (100, 200))
    write(tmp_path, f"{HEAD}my,name,,Mine,,text,,,,\nmy,vendor,,Me,,text,,,,\n{rows}", "chips.csv")
    assert shell("catalog", "check", "--catalog", tmp_path) == 2
    assert "chips.csv:5" in shell.err
    assert "tdp_w" in shell.err


def test_a_directory_in_place_of_a_file(shell: Shell, tmp_path: Path) -> None:
    write(tmp_path)
    for command in (("plan",), ("resolve",), ("sweep",)):
        assert shell(*command, tmp_path) == 2
        assert "is a directory" in shell.err
    for command in (("diff", tmp_path, tmp_path), ("catalog", "import-model", tmp_path)):
        assert shell(*command) == 2
        assert "directory" in shell.err.lower()
    assert shell("validate", "--cases", tmp_path) == 2


def test_a_file_that_is_not_there_names_the_nearest(shell: Shell, tmp_path: Path) -> None:
    write(tmp_path)
    assert shell("plan", tmp_path / "smal.yaml") == 2
    assert "did you mean" in shell.err
    assert "small.yaml" in shell.err


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to read and write everything, where the tests run as root."""
    if not hasattr(os, "setresuid") or os.geteuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def reachable(folder: Path) -> None:
    """Let everybody pass through the folders above a test's own, so that only what is tested is closed."""
    for above in folder.parents:
        if "pytest" in str(above):
            above.chmod(0o755)
    folder.chmod(0o755)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_no_permission_to_read(shell: Shell, tmp_path: Path) -> None:
    file = write(tmp_path)
    shell("resolve", file)  # everything that is imported late is now there
    reachable(tmp_path)
    file.chmod(0)
    with as_nobody():
        code = shell("resolve", file)
    assert code == 2
    assert "permission denied" in shell.err


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_no_permission_to_write_is_told_before_the_work(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path)
    shell("resolve", file)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("planned before looking at --out")

    monkeypatch.setattr("planner.planning.plan.plan", never)
    closed = tmp_path / "closed"
    closed.mkdir()
    reachable(tmp_path)
    closed.chmod(0o555)
    with as_nobody():
        code = shell("plan", file, "--out", closed / "out")
    assert code == 2
    assert "--out cannot be written" in shell.err
    closed.chmod(0o755)
    assert files_of(closed) == set()


@pytest.mark.parametrize("command", ["plan", "sweep"])
def test_out_that_is_or_lies_under_a_file(shell: Shell, tmp_path: Path, command: str) -> None:
    write(tmp_path)
    source = write(tmp_path, "scenario: small.yaml\n", "sweep.yaml") if command == "sweep" else tmp_path / "small.yaml"
    file = write(tmp_path, "mine", "file")
    for out in (file, file / "below"):
        assert shell(command, source, "--out", out) == 2
        assert "error: " in shell.err
    assert file.read_text(encoding="utf-8") == "mine"


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = write(tmp_path, "old", "plan.json")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(target, "new")
    assert files_of(tmp_path) == {"plan.json"}
    assert target.read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(
    "arguments",
    [("plan",), ("plan", "x.yaml", "--nonsense"), ("plann",), ("estimate", "training", "--model", "x"),
     ("estimate", "training", "--model", "x", "--system", "y", "--chips", "0"), ("app", "--port", "0")],
)  # fmt: skip
def test_wrong_usage_exits_2(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell(*arguments) == 2
    assert shell.out == ""
    assert shell.err.strip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "llama-3.1-8c"), "did you mean 'llama-3.1-8b'?"),
        (("--system", "hgx_h10_oem"), "did you mean 'hgx_h100_oem'?"),
        (("--chip", "h100_sxn"), "did you mean 'h100_sxm'?"),
        (("--cooling", "immersion_2p"), "cooling"),
        (("--precision", "bf61"), "did you mean 'bf16'?"),
        (("--precision", "fp4"), "fp4"),
        (("--tp", "3"), "did you mean"),
        (("--tp", "4", "--pp", "3"), "not a multiple of tp x pp x cp = 12"),
        (("--global-batch", "1001"), "dp x micro-batch must divide the global batch"),
        (("--recompute", "ful"), "did you mean 'full'?"),
        (("--zero-stage", "3", "--pp", "2"), "ZeRO 2 and 3 go without a pipeline"),
        (("--assume", "chips.h100_sxm.tdp_w"), "KIND.ID.FIELD=NUMBER"),
        (("--assume", "chips.h100_sxm.tdp_v=400"), "did you mean 'tdp_w'?"),
    ],
)
def test_a_wrong_estimate(shell: Shell, arguments: tuple[str, ...], message: str) -> None:
    given = {"--model": "llama-3.1-8b", "--system": "hgx_h100_oem", "--chips": "16"}
    given |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert shell("estimate", "training", *(part for pair in given.items() for part in pair), "--json") == 2
    assert shell.out == ""
    assert message in shell.err


def test_a_plan_file_that_is_none(shell: Shell, tmp_path: Path) -> None:
    for text in ("{", "[]", json.dumps({"status": "best"}), "\x00\xff"):
        file = write(tmp_path, text, "plan.json")
        assert shell("diff", file, file) == 2
        assert "error: " in shell.err


def test_catalog_names_that_are_not_there(shell: Shell) -> None:
    assert shell("catalog", "show", "h10o_sxm") == 2
    assert "did you mean" in shell.err
    assert shell("catalog", "list", "chipz") == 2
    assert "did you mean 'chips'?" in shell.err
    assert shell("catalog", "list", "chips", "--vendor", "Nvida") == 2
    assert "did you mean 'NVIDIA'?" in shell.err


def test_a_fault_of_ours_is_called_one(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.delenv("PLANNER_DEBUG", raising=False)
    monkeypatch.setattr("planner.planning.plan.plan", broken)
    assert shell("plan", write(tmp_path), "--out", tmp_path / "out") == 70
    assert "internal error: ZeroDivisionError" in shell.err
    assert files_of(tmp_path) == {"small.yaml"}
