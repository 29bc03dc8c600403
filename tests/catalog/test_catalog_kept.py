"""What is kept of a catalog between loads and processes: the same answers, and nothing stale, foreign or broken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from planner.catalog import kept, load_catalog
from planner.catalog.fields import RECORD_KINDS


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and a process that has read nothing yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("PLANNER_CACHE", str(folder))
    monkeypatch.setattr(kept, "_in_process", {})
    return folder


def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what the process has, as a new one would."""
    monkeypatch.setattr(kept, "_in_process", {})


def own_folder(tmp_path: Path, price: str) -> Path:
    """A user's folder with one price."""
    folder = tmp_path / "own"
    folder.mkdir(exist_ok=True)
    (folder / "systems.csv").write_text(
        "id,field,low,value,high,unit,as_of,source,kind,note\n"
        f"hgx_h100_oem,price_usd,,{price},,usd,2026,quote,list_price,\n"
    )
    return folder


def test_a_catalog_from_disk_is_the_catalog_that_was_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record of every kind, fallbacks of regions, the digest, models: equal, floats to the last bit."""
    read = load_catalog()
    assert len(list(cache.glob("catalog-*.json"))) == 1
    fresh(monkeypatch)
    again = load_catalog()
    assert again is not read
    for kind in RECORD_KINDS:
        assert dict(again.records(kind)) == dict(read.records(kind))
    assert (again.digest, again.own_regions, again.model_folders) == (read.digest, read.own_regions, read.model_folders)
    assert again.models.keys() == read.models.keys()


def test_the_same_files_are_one_object_and_changed_files_are_not(cache: Path, tmp_path: Path) -> None:
    """A loop over scenarios shares one catalog; a price that is edited is seen at once."""
    folder = own_folder(tmp_path, "250000")
    first = load_catalog(folder)
    assert load_catalog(folder) is first
    own_folder(tmp_path, "260000")  # as long as before, maybe within the clock of the file system
    second = load_catalog(folder)
    assert second.system("hgx_h100_oem").need("price_usd") == 260000.0
    assert second.digest != first.digest


def test_what_is_damaged_or_cannot_be_written_is_not_used(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truncated, of another shape, a file in the place of the folder: read again, no fault."""
    whole = load_catalog()
    (file,) = cache.glob("catalog-*.json")
    for text in ("", file.read_text()[:-50], "[]", json.dumps({"digest": "x", "records": {}})):
        file.write_text(text)
        fresh(monkeypatch)
        assert load_catalog().digest == whole.digest
    shutil.rmtree(cache)
    cache.write_text("in the way")
    fresh(monkeypatch)
    assert load_catalog().digest == whole.digest


def test_nothing_is_written_where_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PLANNER_CACHE=off; and XDG_CACHE_HOME is where it goes otherwise."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("PLANNER_CACHE", "off")
    fresh(monkeypatch)
    load_catalog()
    assert not (tmp_path / "xdg").exists()
    monkeypatch.delenv("PLANNER_CACHE")
    fresh(monkeypatch)
    load_catalog()
    assert list((tmp_path / "xdg" / "ai-compute-planner").glob("catalog-*.json"))


def test_old_files_go(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder does not grow with every edit of a price."""
    for price in range(kept.MOST + 3):
        load_catalog(own_folder(tmp_path, str(250000 + price)))
    assert len(list(cache.glob("*"))) == kept.MOST
    assert len(kept._in_process) == kept.MOST
