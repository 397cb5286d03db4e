"""Datasets that the library `datasets` saved to disk: which files of a folder are data.

``save_to_disk`` writes a folder with ``state.json``, ``dataset_info.json`` and Arrow streams that the state lists
in order; several splits stand in folders of their own beside ``dataset_dict.json``. Other Arrow files there are
caches. The library itself is not needed.
"""

import json
from typing import Any

from dataflow.errors import RecipeError

STATE = "state.json"
_ABOUT = (STATE, "dataset_info.json", "dataset_dict.json")


def data_files(
    fs: Any, listing: list[dict[str, Any]], entry: str, where: str, required: bool
) -> list[dict[str, Any]]:
    """A listing of files without what is no data in saved datasets; where one is ``required``, it must be there."""
    found = {str(info["name"]) for info in listing}
    states = [
        name for name in found if name.endswith(f"/{STATE}") and _beside(name, "dataset_info.json") in found
    ]
    if not states and required:
        raise RecipeError(
            f'no saved dataset in "{entry}"', where, "Name a folder that `dataset.save_to_disk` has written."
        )
    if not states:
        return listing
    folders = {_beside(name, ""): _listed(fs, name, where) for name in sorted(states)}
    for folder, names in folders.items():
        if missing := [name for name in names if f"{folder}{name}" not in found]:
            raise RecipeError(
                f'the dataset in "{folder[:-1]}" lists a file that is not there: {missing[0]}',
                where,
                f'Copy all of it, or name its files one by one instead of "{entry}".',
            )
    return [info for info in listing if _is_data(str(info["name"]), folders)]


def _beside(path: str, name: str) -> str:
    return path[: path.rfind("/") + 1] + name


def _is_data(path: str, folders: dict[str, list[str]]) -> bool:
    folder = _beside(path, "")
    name = path[len(folder) :]
    return name in folders[folder] if folder in folders else name not in _ABOUT


def _listed(fs: Any, path: str, where: str) -> list[str]:
    """The data files that a state lists, in order."""
    try:
        state = json.loads(fs.cat_file(path))
        names = [str(file["filename"]) for file in state["_data_files"]]
    except (ValueError, TypeError, KeyError) as error:
        raise RecipeError(
            f'"{path}" is no state of a saved dataset: {error!r}', where, "Save the dataset again."
        ) from error
    if state.get("_indices_data_files"):
        raise RecipeError(
            f'the dataset in "{path.rpartition("/")[0]}" is a selection that was saved with its indices',
            where,
            "Save it again with `dataset.flatten_indices().save_to_disk(...)`.",
        )
    return names
