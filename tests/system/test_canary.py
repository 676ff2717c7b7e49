"""
The canary: events that carry recognisable raw data go through every door and every
error path, then everything the product wrote is searched, unpacked, for any of it.
"""

import gzip
import hashlib
import lzma
import re
import struct
import time
import zlib
from collections.abc import Iterator

import lz4.block
import pytest
from backports import zstd

from tests.canaries import SERVER_KEY, SITE, find_in
from tests.canary_events import PACKS
from tests.canary_flight import send_everything
from tests.product import Product, files_in, wait_until


@pytest.fixture(scope="module")
def canaried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A server that trusts its proxy, after all canaries have flown through it."""
    product = Product(
        tmp_path_factory.mktemp("canary") / "data",
        trusted_proxies="127.0.0.1/32",
        log_level="debug",
        # So many events of one agent would be a robot's, and counted only.
        robot_events="0",
    )
    try:
        product.start()
        for name, pack in PACKS.items():
            options = ["--rules", pack, "--consent-cookies", "cookiebot,klaro,iab"]
            product.run("site", "add", name, *options, "--origin", "*", "--debug")
        add_key(product)
        time.sleep(1.1)
        send_everything(product)
        product.wait_loaded()
        yield product
    finally:
        product.stop()


def add_key(product: Product) -> None:
    """Give each site a key that is a canary itself; what is kept is its hash."""
    path = product.data / "sites.toml"
    digest = hashlib.sha256(SERVER_KEY.encode()).hexdigest()
    before = path.read_text()
    after = before.replace("keys = {}", f'keys = {{canary = "{digest}"}}')
    assert after.count("canary =") > len(PACKS)  # the demo site has one too
    path.write_text(after)


def views(content: bytes) -> Iterator[bytes]:
    """Return a file's bytes and what they unpack to."""
    yield content
    for unpack in (gzip.decompress, zlib.decompress, lzma.decompress):
        try:
            yield unpack(content)
        except (OSError, zlib.error, lzma.LZMAError, EOFError):
            continue


def engine_blocks(content: bytes) -> bytes:
    """
    Return what a column file of the engine holds, unpacked.

    A frame is a 16-byte checksum, the method (0x82 LZ4, 0x90 ZSTD, 0x02 none), the
    packed size with its 9-byte head, the unpacked size, and the data; some methods
    (0x91 multiple codecs) hold another frame's data behind a list of codecs.
    """
    plain = []
    at = 0
    while at + 25 <= len(content):
        method = content[at + 16]
        packed, size = struct.unpack_from("<II", content, at + 17)
        data = content[at + 25 : at + 16 + packed]
        if method == 0x91:
            method, data = data[1 : 1 + data[0]][-1], data[1 + data[0] :]
            # Behind the list stands the frame of the codec that was applied last.
            size = struct.unpack_from("<I", data, 5)[0]
            data = data[9:]
        if method == 0x90:
            plain.append(zstd.decompress(data))
        elif method == 0x82:
            plain.append(lz4.block.decompress(data, uncompressed_size=size))
        elif method == 0x02:
            plain.append(data)
        else:
            break
        at += 16 + packed
    return b"".join(plain)


def has_parts(product: Product) -> bool:
    """Say if the engine has written anything."""
    return any(path.suffix == ".bin" for path, _ in files_in(product.data))


def test_no_file_under_the_data_folder_holds_a_canary(canaried: Product) -> None:
    """Spool, engine parts, secrets, metrics: no byte of a canary."""
    wait_until(lambda: has_parts(canaried), "no parts", 10)
    searched, columns = 0, b""
    for path, whole in files_in(canaried.data):
        searched += 1
        if path.suffix == ".bin":
            columns += engine_blocks(whole)
        for content in views(whole):
            packed = path.suffix == ".bin"
            found = find_in(content, packed=packed)
            assert not found, (path.relative_to(canaried.data), found)

    assert searched > 20
    assert SITE.encode() in columns  # the unpacking works
    assert not find_in(columns)


def test_no_log_line_holds_a_canary(canaried: Product) -> None:
    """The log, at its most talkative, says nothing of anyone."""
    content = canaried.log.read_bytes()

    assert content
    assert not find_in(content)
    assert b"127.0.0.1:" in content  # the listeners' own addresses alone
    assert not re.search(rb"peer|remote", content)


def test_no_metric_holds_a_canary(canaried: Product) -> None:
    """Metrics count, and their labels come from closed lists."""
    content = canaried.call("GET", f"{canaried.keeper}/metrics").body

    assert b"kastana_events_total" in content
    assert not find_in(content)
    assert b"kastana_failures_total{" not in content  # no defect on the way


def test_no_column_of_clickhouse_holds_a_canary(canaried: Product) -> None:
    """Every column of every table and system log is read back, and clean."""
    tables = canaried.sql(
        "SELECT database, name FROM system.tables WHERE engine != 'View' "
        "AND (database = 'kastana' OR (database = 'system' AND name LIKE '%_log'))"
    )
    assert {"events", "counts"} <= {table["name"] for table in tables}
    for table in tables:
        name = f"{table['database']}.{table['name']}"
        statement = f"SELECT * FROM {name}"  # noqa: S608 - the engine's own names
        done = canaried.run("sql", statement, "--format", "TSVRaw")
        if table["database"] == "kastana":
            assert done.returncode == 0, done.stderr
        assert not find_in(done.stdout), name


def test_the_canaries_did_arrive(canaried: Product) -> None:
    """The search proves something only if the events were really processed."""
    outcomes = canaried.sql(
        "SELECT outcome, count() AS n FROM kastana.events GROUP BY outcome"
    )
    kept = {row["outcome"]: int(row["n"]) for row in outcomes}
    dropped = canaried.sql("SELECT sum(events) AS n FROM kastana.counts")
    networks = canaried.sql(
        "SELECT DISTINCT client_address FROM kastana.events ORDER BY client_address"
    )

    assert kept["identified"] > 100
    assert kept["anonymous"] > 50
    assert int(dropped[0]["n"]) > 100
    # Of who stands behind the proxy, and of the peer that is none of ours.
    expected = ["", "127.83.149.0", "198.51.100.0", "2001:db8:85a3::"]
    assert expected == [row["client_address"] for row in networks]
