# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts that give a recovering server its write-ahead log, packed or not; the server runs them in the sandbox."""

from __future__ import annotations

TAKE_WAL = "/scratch/take-wal.sh"
COMMAND = f'sh {TAKE_WAL} %f "%p"'
"""The setting restore_command."""
STAGED = "/scratch/wal"
PARTIAL = "partial"
UNPACKERS = {"gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "zstd", "lz4": "lz4"}
_UNPACKS = """\
unpacked() {
  case "$(od -An -N4 -tx1 "$1" | tr -d ' ')" in
    1f8b*) gzip -dc ;;
    425a68*) bzip2 -dc ;;
    fd377a58) xz -dc ;;
    28b52ffd) zstd -dcq ;;
    04224d18) lz4 -dcq ;;
    *) cat ;;
  esac <"$1"
}
"""
_OF_BARMAN = """\
file="{wals}/$(echo "$1" | cut -c 1-16)/$1"
[ -f "$file" ] || file="{wals}/$1"
[ -f "$file" ] || exit 1
unpacked "$file" >"$2"
"""
_OF_FOLDER = """\
exec 2>/dev/null
file="{staged}/{partial}/$1"
if [ -f "$file" ]; then
  unpacked "$file" >"$2"
  truncate -s {size} "$2"
  exit
fi
file="{staged}/$1"
[ -f "$file" ] && unpacked "$file" >"$2" || exit 1
case "$1" in *.history) exit 0 ;; esac
[ "$(stat -c %s "$2")" = {size} ] || exit 1
"""
"""A server ends if it is given a file of another size, so it is given none; how far it came is looked at afterwards.

The rest of a segment that was being written is zeros, also where it was packed, and its end is not there.
"""


def of_barman(wals: str) -> str:
    """Return the script for the folders that Barman keeps."""
    return _UNPACKS + _OF_BARMAN.format(wals=wals)


def of_folder(size: int) -> str:
    """Return the script for a folder of WAL, staged. size: bytes of a segment."""
    return _UNPACKS + _OF_FOLDER.format(staged=STAGED, partial=PARTIAL, size=size)
