"""Small databases in MaxMind's format, written byte by byte."""

import ipaddress
import struct
from pathlib import Path
from typing import Any


def encode(value: Any) -> bytes:
    """Return a value as MaxMind's data format has it; bytes are encoded already."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        raw = value.encode()
        return control(2, len(raw)) + raw
    if isinstance(value, float):
        return control(3, 8) + struct.pack(">d", value)
    if isinstance(value, int):
        return encode_int(5, 2, value) if value < 1 << 16 else encode_int(6, 4, value)
    if isinstance(value, dict):
        items = (encode(key) + encode(item) for key, item in value.items())
        return control(7, len(value)) + b"".join(items)
    return control(11, len(value)) + b"".join(map(encode, value))


def encode_int(kind: int, size: int, value: int) -> bytes:
    """Return an integer of a given type."""
    return control(kind, size) + value.to_bytes(size)


def control(kind: int, size: int) -> bytes:
    """Return the bytes that announce a value of a kind and size."""
    first, rest = (size, b"") if size < 29 else (29, bytes([size - 29]))
    if kind < 8:
        return bytes([kind << 5 | first]) + rest
    return bytes([first, kind - 7]) + rest


def write_mmdb(path: Path, kind: str, ip_version: int, records: dict[str, Any]) -> Path:
    """Write a database of a few networks that do not overlap."""
    data = b""
    # Below zero: -1 is nothing, anything else a place in the data.
    tree = [[-1, -1]]
    for network, record in records.items():
        net = ipaddress.ip_network(network)
        bits = f"{int(net.network_address):0{net.max_prefixlen}b}"[: net.prefixlen]
        if ip_version == 6 and net.version == 4:
            bits = "0" * 96 + bits
        node = 0
        for bit in map(int, bits[:-1]):
            if tree[node][bit] < 0:
                tree[node][bit] = len(tree)
                tree.append([-1, -1])
            node = tree[node][bit]
        tree[node][int(bits[-1])] = -2 - len(data)
        data += encode(record)
    count = len(tree)
    words = [
        word if word >= 0 else count if word == -1 else count + 16 - 2 - word
        for pair in tree
        for word in pair
    ]
    metadata = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": encode_int(9, 8, 1780666922),
        "database_type": kind,
        "description": {"en": "test"},
        "ip_version": ip_version,
        "languages": ["en"],
        "node_count": encode_int(6, 4, count),
        "record_size": 32,
    }
    path.write_bytes(
        struct.pack(f">{len(words)}I", *words)
        + bytes(16)
        + data
        + b"\xab\xcd\xefMaxMind.com"
        + encode(metadata)
    )
    return path
