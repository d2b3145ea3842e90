"""Listing a folder that somebody else fills: odd entries are flagged, and hide nothing."""

from __future__ import annotations

import stat

import pytest
from tests.unit.delivery.rig import Hostile, Thing, cutting_proxy

from kinbridge.delivery import inbox
from kinbridge.delivery.names import printable, readable
from kinbridge.delivery.sftp import list_inbox, open_sftp
from kinbridge.errors import KinbridgeError


def test_one_bad_name_among_a_hundred_hides_none_and_is_flagged(hostile: Hostile) -> None:
    hostile.entries = {b"eligibility_%06d.txt" % n: Thing(b"x") for n in range(99)}
    hostile.entries[b"eligibility_\xff\xfe.txt"] = Thing(b"x")
    with open_sftp(hostile.endpoint()) as session:
        listing = list_inbox(session, "inbox")
    assert len(listing.files) == 99
    assert [(o.code, o.file) for o in listing.oddities] == [("KB-D12", r"eligibility_\xff\xfe.txt")]


@pytest.mark.parametrize(
    ("name", "thing", "code"),
    [
        (b"a\nINFO all is well.txt", Thing(b"x"), "KB-D12"),
        (b"a\x1b[2J.txt", Thing(b"x"), "KB-D12"),
        ("txt.\u202eexe.csv".encode(), Thing(b"x"), "KB-D12"),
        (b"../../etc/cron.d/x", Thing(b"x"), "KB-D12"),
        (b"x" * 300, Thing(b"x"), "KB-D12"),
        (b"link.txt", Thing(mode=stat.S_IFLNK | 0o777), "KB-D13"),
        (b"pipe.txt", Thing(mode=stat.S_IFIFO | 0o644), "KB-D13"),
    ],
)
def test_odd_entries_are_flagged_in_printable_words(hostile: Hostile, name: bytes, thing: Thing, code: str) -> None:
    hostile.entries = {b"good.txt": Thing(b"x"), name: thing}
    with open_sftp(hostile.endpoint()) as session:
        listing = list_inbox(session, "inbox")
    assert [file.name for file in listing.files] == ["good.txt"]
    assert [oddity.code for oddity in listing.oddities] == [code]
    assert listing.oddities[0].file.isprintable()


def test_names_that_only_look_dangerous_are_files_like_others(hostile: Hostile) -> None:
    names = [b"-rf", b"=cmd|' C calc'!A0", "enfants_été.csv".encode(), b"..csv"]
    hostile.entries = {name: Thing(b"x") for name in names}
    with open_sftp(hostile.endpoint()) as session:
        assert {f.name.encode() for f in list_inbox(session, "inbox").files} == set(names)


def test_folders_are_ignored_unless_they_have_the_name_of_a_file_and_a_missing_inbox_is_an_error(
    hostile: Hostile,
) -> None:
    hostile.entries = {name: Thing(mode=stat.S_IFDIR | 0o755) for name in (b"archive", b"may.csv", b"\xff.csv")}
    with open_sftp(hostile.endpoint()) as session:
        listing = list_inbox(session, "inbox")
        assert (listing.files, listing.oddities) == ([], [])
        listing = list_inbox(session, "inbox", of_a_file="may.csv".__eq__)
        assert (listing.files, [(one.code, one.file) for one in listing.oddities]) == ([], [("KB-D13", "may.csv")])
        with pytest.raises(KinbridgeError, match=r"KB-D05.*listing missing.*no such folder"):
            list_inbox(session, "missing")


def test_a_server_that_gives_no_modes_still_delivers(hostile: Hostile) -> None:
    hostile.entries = {b"a.txt": Thing(b"x", mode=None), b"b.txt": Thing(b"x", mode=0o644)}
    with open_sftp(hostile.endpoint()) as session:
        assert len(list_inbox(session, "inbox").files) == 2


def test_ten_thousand_entries_are_all_seen_and_only_wanted_ones_are_kept(hostile: Hostile) -> None:
    hostile.entries = {b"noise_%05d.txt" % n: Thing(b"x") for n in range(10_000)}
    hostile.entries[b"wanted.txt"] = Thing(b"x")
    with open_sftp(hostile.endpoint()) as session:
        listing = list_inbox(session, "inbox", "wanted.txt".__eq__)
    assert listing.seen == 10_001
    assert [file.name for file in listing.files] == ["wanted.txt"]


def test_a_listing_that_breaks_off_is_never_taken_for_the_whole(hostile: Hostile) -> None:
    hostile.entries = {b"eligibility_%06d.txt" % n: Thing(b"x") for n in range(5_000)}
    with (
        cutting_proxy(hostile.port, 150_000) as port,
        pytest.raises(KinbridgeError, match=r"KB-D04.*listing inbox"),
        open_sftp(hostile.endpoint(port=port)) as session,
    ):
        list_inbox(session, "inbox")


def test_a_folder_beyond_all_bounds_is_refused(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MOST_ENTRIES", 100)
    hostile.entries = {b"%05d" % n: Thing() for n in range(300)}
    with open_sftp(hostile.endpoint()) as session, pytest.raises(KinbridgeError, match="KB-D14"):
        list_inbox(session, "inbox")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain.csv", "plain.csv"),
        (b"a\nb", r"a\nb"),
        (b"\x1b[31m", r"\x1b[31m"),
        (b"\xff", r"\xff"),
        ("é".encode(), "é"),
    ],
)
def test_printable(raw: bytes, shown: str) -> None:
    assert printable(raw) == shown


def test_printable_shortens_and_readable_gives_reasons() -> None:
    assert len(printable("x" * 5000)) <= 201
    assert readable(b"a/b") == (None, "the name is a path")
    assert readable("ok_ü.csv".encode()) == ("ok_ü.csv", "")
