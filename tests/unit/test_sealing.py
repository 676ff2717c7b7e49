"""Encryption at rest: files open under their key, in their place, or not at all."""

import os
from pathlib import Path

import pytest

from pipeline.sealing import (
    HEAD,
    MAGIC,
    PLAIN,
    Sealing,
    SegmentDamagedError,
    SegmentWaitsError,
)
from pipeline.segment import (
    Segment,
    make_folders,
    read_segment,
    recover,
    replace_segment,
)
from pipeline.spool import Limits, Spool
from tests.builders import headers, row
from tests.spool_disk import IDLE_S, segments
from tests.withdrawals import Stage, line

LIMITS = Limits(seal_bytes=1 << 24, seal_seconds=IDLE_S, max_bytes=1 << 30)
OLD, NEW = bytes(32), bytes(range(32))
KEYED = Sealing([NEW])
HEADER = b'["a"]\n["String"]\n'
NAME = "counts-1"


def written(folder: Path, *lines: bytes, sealing: Sealing = KEYED) -> Path:
    """Return an open segment whose writer is gone, a frame for each of the lines."""
    make_folders(folder)
    segment = Segment(folder, "counts", HEADER, sealing)
    for content in lines:
        segment.append(content)
    segment.give_up()
    return folder / "open" / segment.name


def test_read_as_written(tmp_path: Path) -> None:
    """What is read is the plain insert, whoever wrote it in how many frames."""
    path = tmp_path / "counts-1.ndjson"
    replace_segment(path, b"abc", KEYED)

    assert b"abc" == read_segment(path, KEYED)
    assert b"abc" not in path.read_bytes()

    recovered = written(tmp_path, b'["x"]\n', b'["y"]\n')
    assert [recovered.name] == recover(tmp_path, KEYED)
    whole = read_segment(tmp_path / "sealed" / recovered.name, KEYED)
    assert HEADER + b'["x"]\n["y"]\n' == whole


def test_plain_stays_readable() -> None:
    """What was spooled before there was a key is read as it is."""
    assert HEADER == KEYED.open(NAME, HEADER)
    assert HEADER == PLAIN.close(NAME, HEADER)


def test_keys_change() -> None:
    """The first key writes; what an older one wrote is read as long as it is there."""
    before = Sealing([OLD]).close(NAME, b"before")
    both = Sealing([NEW, OLD])
    after = both.close(NAME, b"after")

    assert [b"before", b"after"] == [both.open(NAME, it) for it in (before, after)]
    assert b"after" == KEYED.open(NAME, after)
    with pytest.raises(SegmentWaitsError) as caught:
        KEYED.open(NAME, before)
    assert "key_missing" == caught.value.code


def test_same_content_never_looks_the_same() -> None:
    """Each file has a salt of its own, so that no nonce is used twice under a key."""
    first, second = (KEYED.close(NAME, b"abc") for _ in range(2))

    assert first[: HEAD.size - 16] == second[: HEAD.size - 16]
    assert first[HEAD.size - 16 : HEAD.size] != second[HEAD.size - 16 : HEAD.size]
    assert first[HEAD.size :] != second[HEAD.size :]


def test_every_byte_counts() -> None:
    """No byte can be changed without that being seen."""
    content = KEYED.close(NAME, b"abc")
    for place in range(9, len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises((SegmentDamagedError, SegmentWaitsError)) as caught:
            KEYED.open(NAME, bytes(changed))
        # Of the head bytes 9 to 16 name the key.
        waits = 9 <= place < 17
        assert isinstance(caught.value, SegmentWaitsError) == waits, place


def test_bound_to_its_name() -> None:
    """A file under another table's name, or another id, does not open."""
    content = KEYED.close("events-1", b"abc")
    for name in ("counts-1", "events-2"):
        with pytest.raises(SegmentDamagedError):
            KEYED.open(name, content)


def test_bound_to_its_place() -> None:
    """Frames that change places, or are repeated, do not open."""
    sealer = KEYED.begin(NAME)
    head, one, two = sealer.head, sealer.frame(b"1"), sealer.frame(b"2")

    assert b"12" == KEYED.open(NAME, head + one + two)
    for frames in (two + one, one + one, two):
        with pytest.raises(SegmentDamagedError):
            KEYED.open(NAME, head + frames)


def test_cut_file_is_damaged() -> None:
    """A sealed file that ends within its head or a frame is not what was written."""
    content = KEYED.close(NAME, b"abc")
    for end in range(9, len(content)):
        if end == HEAD.size:
            continue
        with pytest.raises(SegmentDamagedError):
            KEYED.open(NAME, content[:end])


def test_torn_at_every_byte(tmp_path: Path) -> None:
    """Wherever an open file ends too soon, its whole frames are kept."""
    path = written(tmp_path, b'["x"]\n', b'["y"]\n')
    sealed = tmp_path / "sealed" / path.name
    content = path.read_bytes()
    # A frame is a length, the line and a tag.
    torn = 4 + len(b'["y"]\n') + 16
    for cut in range(1, torn + 1):
        path.write_bytes(content[:-cut])

        assert [path.name] == recover(tmp_path, KEYED)
        assert HEADER + b'["x"]\n' == read_segment(sealed, KEYED)

    path.write_bytes(content[: -torn - 1])
    assert [] == recover(tmp_path, KEYED)


@pytest.mark.parametrize("hole", [4, 30, 200])
def test_hole_at_the_end(tmp_path: Path, hole: int) -> None:
    """Blocks that a power cut left as zeros are cut like any other torn frame."""
    path = written(tmp_path, b'["x"]\n')
    path.write_bytes(path.read_bytes() + bytes(hole))

    assert [path.name] == recover(tmp_path, KEYED)
    assert HEADER + b'["x"]\n' == read_segment(tmp_path / "sealed" / path.name, KEYED)


def test_changed_in_the_middle(tmp_path: Path) -> None:
    """What is damaged and not torn is handed on as it is; its reader refuses it."""
    path = written(tmp_path, b'["x"]\n', b'["y"]\n')
    content = bytearray(path.read_bytes())
    content[HEAD.size + 10] ^= 1
    path.write_bytes(content)

    assert [path.name] == recover(tmp_path, KEYED)
    assert content == (tmp_path / "sealed" / path.name).read_bytes()
    with pytest.raises(SegmentDamagedError):
        read_segment(tmp_path / "sealed" / path.name, KEYED)


@pytest.mark.parametrize("newer", [False, True])
def test_waits(tmp_path: Path, *, newer: bool) -> None:
    """Without the key, or the program that knows the form, nothing is touched."""
    path = written(tmp_path, b'["x"]\n')
    content = bytearray(path.read_bytes() + b"torn")
    content[8] += newer
    path.write_bytes(content)
    told: list[tuple[str, str]] = []
    sealing = KEYED if newer else PLAIN
    code = "format_unknown" if newer else "key_missing"

    recovered = recover(tmp_path, sealing, lambda name, why: told.append((name, why)))
    assert ([], [(path.name, code)]) == (recovered, told)
    assert content == path.read_bytes()


def test_head_only(tmp_path: Path) -> None:
    """A file that a crash left without a whole row is removed."""
    path = written(tmp_path, b'["x"]\n')
    content = path.read_bytes()
    for end in (3, 8, 9, 20, HEAD.size, HEAD.size + 30):
        path.write_bytes(content[:end])

        assert [] == recover(tmp_path, KEYED)
        assert [] == segments(tmp_path, "open", "sealed")


async def test_nothing_readable_in_the_spool(tmp_path: Path) -> None:
    """With a key no file of the spool shows a row, open or sealed."""
    canary = "canary-of-a-page-path"
    async with Spool.running(tmp_path, headers(), LIMITS, KEYED) as spool:
        await spool.append([row(url_path=f"/{canary}")])
        await spool.append([row(url_path=f"/{canary}")], "write")
        (path,) = segments(tmp_path, "open")

        assert canary.encode() not in path.read_bytes()

    (path,) = segments(tmp_path, "sealed")
    assert canary.encode() not in path.read_bytes()
    assert b"url_path" not in path.read_bytes()
    assert 2 == read_segment(path, KEYED).count(canary.encode())


def test_keys_are_silent() -> None:
    """What holds keys does not show them."""
    key = os.urandom(32)

    assert "<Sealing>" == repr(Sealing([key]))


def test_withdrawal_keeps_it_encrypted(tmp_path: Path) -> None:
    """Narrowed segments, their counters and their plans are encrypted as well."""
    stage = Stage(tmp_path)
    stage.narrower._sealing = KEYED
    stage.object()
    path = stage.put(line(), line(visitor_id=7))
    replace_segment(path, path.read_bytes(), KEYED)
    stage.narrower.narrow(path)
    files = [it for it in stage.root.rglob("*") if it.suffix in (".ndjson", ".plan")]

    assert 3 == len(files)
    assert {MAGIC} == {it.read_bytes()[: len(MAGIC)] for it in files}
    assert 3 == read_segment(path, KEYED).count(b"\n")
