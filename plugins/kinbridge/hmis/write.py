"""Writes the contract set of an HMIS export: for each file a contract, a transform, a README and the suite.

Where they are missing, a profile of the partner and an agreement are written too. It never writes over a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from kinbridge.agreement.reader import read_declared
from kinbridge.contract.odcs import LONGEST_FEED, read_feed
from kinbridge.draft.unsigned import Written, profile_text, write_all
from kinbridge.errors import KinbridgeError
from kinbridge.hmis.contract import FILE_PATTERN, Export, contract_text, member_pattern
from kinbridge.hmis.names import feed_id
from kinbridge.hmis.paper import readme_text, unsigned_agreement
from kinbridge.hmis.standard import Version, files
from kinbridge.hmis.transform import transform_text
from kinbridge.partner.profile import profile_path
from kinbridge.settings import include_folders
from kinbridge.validation.suite import suite_path, suite_text

PARTNER = re.compile(r"[a-z][a-z0-9_]*")


def write_set(
    partner: str,
    version: Version,
    *,
    into: Path | None = None,
    only: Iterable[str] = (),
    file_pattern: str = FILE_PATTERN,
    today: date,
) -> Written:
    """Write the feeds of the partner's export into an include folder: `into`, or the last one that is configured.

    `only` names files of the standard (by default all), `file_pattern` is a regular expression for the zip's name with
    a group `period`. Raises `KinbridgeError`: KB-C50 no such file, KB-C51 a feed is there already, KB-C52 no usable
    code of a partner, KB-C53 a pattern without a period, or one that another version's feeds have.
    """
    export = _export(partner, version, tuple(only), file_pattern)
    include = into or include_folders()[-1]
    folders = {file: include / "partners" / Path(*_parts(export.feed(file))) for file in export.files}
    taken = next((folder for folder in folders.values() if folder.exists()), None)
    if taken is not None:
        raise KinbridgeError("KB-C51", path=taken)
    _refuse_shared_pattern(export, include)
    written = write_all(dict(_texts(export, include, folders, today)))
    return replace(written, files=(*written.files, *map(_compile, folders.values())))


def _parts(feed: str) -> tuple[str, str, str]:
    partner, name = feed.split("/")
    return partner, "feeds", name


def _export(partner: str, version: Version, only: tuple[str, ...], file_pattern: str) -> Export:
    known = {file.lower(): file for file in files(version)}
    wanted = [name.lower().removesuffix(".csv") for name in only]
    for name, lowered in zip(only, wanted, strict=True):
        if lowered not in known:
            raise KinbridgeError("KB-C50", file=name, version=version)
    chosen = tuple(file for lowered, file in known.items() if not wanted or lowered in wanted)
    longest = max(len(feed_id("", file, version)) for file in chosen)
    if not PARTNER.fullmatch(partner) or len(partner) + longest > LONGEST_FEED:
        raise KinbridgeError("KB-C52", partner=partner, most=LONGEST_FEED - longest)
    try:
        told = "period" in re.compile(file_pattern).groupindex
    except re.error:
        told = False
    if not told:
        raise KinbridgeError(
            "KB-C53", pattern=file_pattern, problem="it is no regular expression with a group `period`"
        )
    return Export(partner, version, chosen, file_pattern)


def _refuse_shared_pattern(export: Export, include: Path) -> None:
    """Two versions of a file under one name would both be read from every zip, one of them wrongly."""
    ours = {member_pattern(file) for file in export.files}
    for folder in dict.fromkeys([*include_folders(), include]):
        for path in sorted(folder.glob(f"partners/{export.partner}/feeds/*/contract.odcs.yaml")):
            dialect = read_feed(path).dialect
            if dialect.file_pattern == export.file_pattern and dialect.member in ours:
                problem = f"{path.parent.name} has it already: another version needs another name of the zip"
                raise KinbridgeError("KB-C53", pattern=export.file_pattern, problem=problem)


def _texts(export: Export, include: Path, folders: dict[str, Path], today: date) -> Iterator[tuple[Path, str]]:
    for file, folder in folders.items():
        yield folder / "contract.odcs.yaml", contract_text(export, file)
        yield folder / "transform.sql", transform_text(export, file)
        yield folder / "README.md", readme_text(export, file)
    profile = include / "partners" / export.partner / "profile.yaml"
    if not profile_path(export.partner).is_file() and not profile.is_file():
        yield profile, profile_text(export.partner, "HMIS lead")
    declared = read_declared(list(dict.fromkeys([*include_folders(), include])))
    covered = {feed for agreement, _ in declared.agreements for feed in agreement.feeds}
    wanted = [file for file in export.files if export.feed(file) not in covered]
    if wanted:
        name = f"{export.partner}__hmis_{export.version.lower()}.yaml"
        path = include / "agreements" / name
        if path.exists():
            raise KinbridgeError("KB-C51", path=path)
        yield path, unsigned_agreement(export, wanted, declared, today)


def _compile(folder: Path) -> Path:
    """The suite of one feed, over all of its columns: the agreement that is written beside it names them all."""
    feed = read_feed(folder / "contract.odcs.yaml")
    path = suite_path(feed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(suite_text(feed, feed.columns), encoding="utf-8")
    return path
