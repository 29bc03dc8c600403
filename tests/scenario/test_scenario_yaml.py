"""The YAML reader: what files from strangers can do to it, and what it makes of YAML 1.1's surprises."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenario_support import TEXT, problems, problems_in_text, write

from planner.errors import InputError
from planner.scenario import load_scenario, load_text
from planner.scenario.yaml import MAX_BYTES, MAX_DEPTH, parse, plain_value, to_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", 1000.0),
        ("1e12", 1e12),
        ("14.8e12", 14.8e12),
        ("1.0e+3", 1000.0),
        (".5", 0.5),
        ("-3", -3),
        ("1_000_000", 1_000_000),
        ("0", 0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        # YAML 1.1 makes something else of these
        ("2026-10", "2026-10"),
        ("2026-11-23", "2026-11-23"),
        ("12:30", "12:30"),
        ("017", "017"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_what_a_plain_scalar_means(text: str, value: object) -> None:
    found = parse(f"a: {text}").data["a"]
    assert found == value
    assert type(found) is type(value)
    assert parse(f"a: '{text}'").data["a"] == text, "quoted, everything is text"


def test_norway_is_a_country() -> None:
    scenario = load_text(TEXT.replace("region: cn_west", "region: no"))
    assert scenario.sites[0].region == "no"


def test_lines_of_every_path_are_kept() -> None:
    lines = parse("a: 1\nb:\n  - x: 1\n    y: 2\n  - [3,\n     4]\n").lines
    assert lines["a",] == 1
    assert lines["b", 0, "y"] == 4
    assert lines["b", 1, 1] == 6


def test_duplicate_key_names_both_lines() -> None:
    (problem,) = problems_in_text(TEXT.replace("    power_mw: 20\n", "    power_mw: 20\n    power_mw: 30\n"))
    assert problem.message == "duplicate key 'power_mw' (lines 6 and 7)"
    assert (problem.line, problem.path) == (7, "sites[0]")


def test_alias_bomb_is_refused_at_once() -> None:
    names = "abcdefghij"
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise(names)
    )
    start = time.perf_counter()
    found = problems_in_text(bomb)
    assert time.perf_counter() - start < 1
    assert any("anchors (&) and aliases (*) are not read" in p.message for p in found)


def test_a_single_anchor_is_refused_with_the_way_out() -> None:
    (problem,) = problems_in_text(TEXT.replace("power_mw: 20", "power_mw: &p 20"))
    assert (problem.line, "overrides" in problem.remedy) == (6, True)


def test_python_tags_are_refused_and_nothing_runs(tmp_path: Path) -> None:
    target = tmp_path / "made"
    found = problems_in_text(f"name: !!python/object/apply:os.mkdir ['{target}']\n" + TEXT.partition("\n")[2])
    assert any("tags (!) are not read" in p.message and p.line == 1 for p in found)
    assert not target.exists()


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "- - ", "? "])
def test_deep_nesting_is_an_input_error(opening: str) -> None:
    (problem,) = problems_in_text("a:\n  " + opening * 5000)
    assert str(MAX_DEPTH) in problem.message or "YAML" in problem.message or "key" in problem.message


def test_depth_limit_is_exact() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH).data
    (problem,) = problems(lambda: parse("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)))
    assert "nested deeper than 32 levels" in problem.message


def test_a_number_of_10000_digits() -> None:
    (problem,) = problems_in_text(TEXT.replace("power_mw: 20", "power_mw: " + "9" * 10_000))
    assert "a number of 10000 characters" in problem.message
    assert (problem.line, problem.path) == (6, "sites[0].power_mw")
    assert len(str(problem)) < 300


def test_a_number_beyond_floats() -> None:
    (problem,) = problems_in_text(TEXT.replace("power_mw: 20", "power_mw: 1e999"))
    assert problem.message == "is too large for a number"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("name: x\n\tstart: 2026-10\n", 2, "spaces, not tabs"),
        ("name: x: y\n", 1, "colon"),
        ("name: [1, 2\n", 2, "not valid YAML"),
        ("name: 'x\n", 2, "not valid YAML"),
        ("name: x\x07\n", 1, "control character"),
        ("name: x\n---\nname: y\n", 2, "second document"),
        ("? [a, b]\n: 1\n", 1, "key must be plain text"),
        ("", None, "is empty"),
        ("# only a comment\n", None, "is empty"),
        ("---\n", None, "is empty"),
        ("- name: x\n", 1, "must be a mapping of fields at the top"),
        ("just a text\n", 1, "must be a mapping of fields at the top"),
        ("42\n", 1, "must be a mapping of fields at the top"),
    ],
)
def test_what_is_no_scenario_gives_one_clear_message(text: str, line: int | None, says: str) -> None:
    (problem,) = problems_in_text(text)
    assert problem.file == "s.yaml"
    assert problem.line == line
    assert says in str(problem)


def test_ten_megabytes_are_refused_before_they_are_parsed(tmp_path: Path) -> None:
    path = write(tmp_path, b"a: [1, 2, 3]\n" * (10 * MAX_BYTES // 13))
    start = time.perf_counter()
    (problem,) = problems(lambda: load_scenario(path))
    assert time.perf_counter() - start < 1
    assert "too large" in problem.message
    assert problem.found == "10.0 MiB"
    assert "1 MiB" in problem.allowed


def test_a_directory(tmp_path: Path) -> None:
    write(tmp_path, TEXT, "one.yaml")
    (problem,) = problems(lambda: load_scenario(tmp_path))
    assert "is a directory" in problem.message
    assert "one.yaml" in problem.remedy


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, TEXT, "quickstart.yaml")
    (problem,) = problems(lambda: load_scenario(tmp_path / "quikstart.yaml"))
    assert "no such scenario file" in problem.message
    assert problem.nearest.endswith("quickstart.yaml")
    (problem,) = problems(lambda: load_scenario(tmp_path / "nowhere" / "x.yaml"))
    assert "planner init" in problem.remedy


def test_no_permission_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, TEXT)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read anything: let the system call refuse as it would for others

        def refuse(*_: object) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
    (problem,) = problems(lambda: load_scenario(path))
    assert "permission denied" in problem.message
    assert "chmod u+r" in problem.remedy


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    (problem,) = problems(lambda: load_scenario(path))
    assert "not a regular file" in problem.message


def test_a_device_does_not_fill_the_memory() -> None:
    (problem,) = problems(lambda: load_scenario("/dev/zero"))
    assert "not a regular file" in problem.message


@pytest.mark.parametrize("name", ["a\0b.yaml", "x" * 5000])
def test_impossible_names(name: str) -> None:
    (problem,) = problems(lambda: load_scenario(name))
    assert problem.message
    assert len(str(problem)) < 800


def test_not_utf8(tmp_path: Path) -> None:
    (problem,) = problems(lambda: load_scenario(write(tmp_path, b"name: x\nstart: \xff\n")))
    assert (problem.message, problem.line, problem.found) == ("is not UTF-8 text", 2, "byte 0xff")
    (problem,) = problems(lambda: load_scenario(write(tmp_path, TEXT.encode("utf-16"))))
    assert problem.found == "UTF-16"


def test_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert load_scenario(path).sites[0].power_mw == 20
    found = problems(
        lambda: load_scenario(write(tmp_path, TEXT.replace("power_mw: 20", "power_mw: x").replace("\n", "\r\n")))
    )
    assert found[0].line == 6


def test_names_in_any_script(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, TEXT.replace("name: guizhou", "name: 贵州")))
    assert scenario.sites[0].name == "贵州"


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["1e3", "no", "2026-10", "12:30", "017", "null", "~", "- a", "a: b", "#", "&x", "*x", "!t", "1_0"]
    )
)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=6), _TREES, min_size=1, max_size=4))
def test_what_is_written_reads_back(data: dict[str, object]) -> None:
    assert parse(to_yaml(data)).data == data


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fall_over(text: str) -> None:
    try:
        load_text(text, "x.yaml")
    except InputError as error:
        assert error.problems  # noqa: PT017 - it may or may not be wrong


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(TEXT) - 1), st.sampled_from(list("\t:-[]{}&*!|>'\"%@`#,?\n 0eE.~=")), st.integers(0, 3))
def test_no_slip_of_the_finger_makes_the_reader_fall_over(at: int, sign: str, drop: int) -> None:
    try:
        load_text(TEXT[:at] + sign + TEXT[at + drop :], "x.yaml")
    except InputError as error:
        assert all(len(str(p)) < 1000 for p in error.problems)  # noqa: PT017


@settings(max_examples=100, deadline=None)
@given(st.from_regex(r"[-+]?[0-9._eE]{1,70}", fullmatch=True))
def test_plain_numbers_are_finite_or_refused(text: str) -> None:
    try:
        value = plain_value(text)
    except ValueError:
        return
    assert isinstance(value, str | int | float)
    assert value == value  # noqa: PLR0124 - not NaN
