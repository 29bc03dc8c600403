"""A Hugging Face config.json on disk, read warily and turned into a model of the catalog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from planner.catalog.architecture import ModelArch
from planner.catalog.hf_import import import_hf_config, import_hf_fields, model_id_of, model_yaml
from planner.errors import InputError, Problem

MAX_BYTES = 1 << 20


def import_hf_file(path: Path, model_id: str | None = None) -> tuple[ModelArch, str]:
    """The model of a config.json, and the YAML text that holds it in a catalog folder.

    ``model_id`` None: the name the config gives, else that of the file's folder. Raises ``InputError`` when the file
    cannot be read, is no JSON object, is of an unknown ``model_type``, or lacks fields.
    """
    config = _read(path)
    own = str(config.get("_name_or_path") or "").rsplit("/", 1)[-1]
    name = model_id or own or (path.resolve().parent.name if path.name == "config.json" else path.stem)
    try:
        model = import_hf_config(config, name=name)
        return model, model_yaml(model_id_of(name), import_hf_fields(config, name=name))
    except InputError as error:
        raise InputError(
            [
                Problem(p.message, str(path), p.line, p.path, p.found, p.allowed, p.nearest, p.remedy)
                for p in error.problems
            ]
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise InputError(Problem("is a directory", file=str(path), remedy="Name the config.json in it."))
        if size > MAX_BYTES:
            raise InputError(Problem("is too large for a config.json", file=str(path), found=f"{size} bytes",
                                     allowed=f"at most {MAX_BYTES} bytes"))  # fmt: skip
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror or error}", file=str(path))) from None
    except (ValueError, RecursionError) as error:
        raise InputError(Problem(f"is not JSON: {str(error)[:80]}", file=str(path))) from None
    if not isinstance(data, dict):
        raise InputError(Problem("is not a JSON object", file=str(path)))
    return data
