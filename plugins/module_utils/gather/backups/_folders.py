# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in."""

from __future__ import annotations

from typing import Any


def folder_kind(path: str, host: Any) -> str:
    return ""


def folder_time(path: str, kind: str, host: Any) -> Any:
    return None


def folder_written(path: str, host: Any, limit: int) -> Any:
    return 0, 0.0, 0


def read_folder(path: str, kind: str, budget: Any, host: Any) -> Any:
    raise NotImplementedError
