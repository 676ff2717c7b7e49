"""
The parts of ClickHouse's HTTP interface that need no server: what a request asks,
how bodies are packed, and which status an error has.
"""

import gzip
import re
import sys
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Final

import msgspec


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FORMAT_TYPES: Final = {
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "csvwithnamesandtypes": "text/csv; charset=UTF-8; header=present",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "jsonstrings": "application/json; charset=UTF-8",
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tabseparatedwithnames": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "tsvwithnames": "text/tab-separated-values; charset=UTF-8",
    "xml": "application/xml; charset=UTF-8",
}
_BINARY: Final = _names(
    "arrow arrowstream avro bsoneachrow msgpack native npy orc parquet rowbinary"
)
# What a server answers to each error; 500 to the rest.
_STATUS: Final = {
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 42, 43, 53, 62, 72, 117, 457), 400),
    194: 401,
    **dict.fromkeys((164, 192, 193, 452, 497, 516), 403),
    **dict.fromkeys((46, 47, 50, 60, 73, 81, 115), 404),
    159: 408,
    307: 413,
    48: 501,
    202: 503,
}
# About the connection; they change nothing here.
_TRANSPORT: Final = _names(
    """
    buffer_size cancel_http_readonly_queries_on_client_close client_protocol_version
    http_headers_progress_interval_ms http_write_exception_in_output_format log_queries
    quota_key readonly send_progress_in_http_headers session_check session_id
    session_timeout wait_end_of_query
    """
)
# Clients set these for what they write.
_FOR_WRITING: Final = frozenset(
    {"cast_string_to_dynamic_use_inference", "date_time_input_format"}
)
_OWN: Final = _names(
    """
    compress database decompress default_format enable_http_compression password query
    query_id user
    """
)
_QUERY_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_ESCAPED: Final = re.compile(rb"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_ESCAPES: Final = dict(zip(b"0abefnrtv", b"\0\a\b\x1b\f\n\r\t\v", strict=True))
_PACK_FROM: Final = 1024


class WireError(Exception):
    """A request that is not understood; `code` and `name` are ClickHouse's."""

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.name = name


class Asked(msgspec.Struct, frozen=True):
    """What a request asks: the statement with its rows, and how to answer."""

    statement: bytes
    parameters: dict[str, str | None]
    settings: dict[str, str]
    database: str
    format: str
    query_id: str


def read_request(
    fields: Mapping[str, str], format_header: str, body: bytes, *, writing: bool
) -> Asked:
    """
    Return what a request asks.

    Args:
        fields: the URL's parameters and a form's.
        format_header: of the header X-ClickHouse-Format.
        body: the body, unpacked; it follows the statement of the URL, if any.
        writing: whether settings for input are passed on.

    Raises:
        WireError: for what is asked for and cannot be done.

    """
    for name in ("compress", "decompress"):
        if fields.get(name, "0") not in {"", "0", "false"}:
            message = f"{name}=1 is not supported, use HTTP compression"
            raise WireError(48, "NOT_IMPLEMENTED", message)
    statement = fields.get("query", "").encode()
    if statement and body:
        statement += b"\n"
    ignored = _TRANSPORT | _OWN | (frozenset() if writing else _FOR_WRITING)
    query_id = fields.get("query_id", "")
    return Asked(
        statement=statement + body,
        parameters={
            name.removeprefix("param_"): unescape(value)
            for name, value in fields.items()
            if name.startswith("param_")
        },
        settings={
            name: value
            for name, value in fields.items()
            if name not in ignored and not name.startswith("param_")
        },
        database=fields.get("database", ""),
        format=fields.get("default_format", "") or format_header or "TabSeparated",
        query_id=query_id if _QUERY_ID.fullmatch(query_id) else "",
    )


def unescape(value: str) -> str | None:
    r"""
    Return a parameter's value, which is sent as in TSV; None for `\N`.

    Raises:
        WireError: when it is no text.

    """
    if value == r"\N":
        return None
    try:
        return _ESCAPED.sub(_unescaped, value.encode()).decode()
    except UnicodeError:
        message = "a parameter is not UTF-8 text"
        raise WireError(457, "BAD_QUERY_PARAMETER", message) from None


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if len(code) > 1:
        return bytes.fromhex(code[1:].decode())
    return bytes((_ESCAPES.get(code[0], code[0]),))


def status_of(code: int) -> int:
    """Return the HTTP status for a ClickHouse error."""
    return _STATUS.get(code, 500)


def content_type(fmt: str) -> str:
    """Return the media type of a ClickHouse format."""
    plain = fmt.lower()
    if plain.removesuffix("withnamesandtypes").removesuffix("withnames") in _BINARY:
        return "application/octet-stream"
    return _FORMAT_TYPES.get(plain, "text/plain; charset=UTF-8")


def pack(body: bytes, accepted: str) -> tuple[bytes, str]:
    """Return a body as a client accepts it, with its encoding; '' for none."""
    if len(body) < _PACK_FROM:
        return body, ""
    for choice in accepted.lower().replace(" ", "").split(","):
        name, _, weight = choice.partition(";q=")
        if name in _PACKERS and (not weight or weight.strip("0.")):
            return _PACKERS[name](body), name
    return body, ""


def unpack(body: bytes, encoding: str, longest: int) -> bytes:
    """
    Return a body without the encoding that the HTTP server leaves on it.

    Raises:
        WireError: when it is damaged or too long.

    """
    if encoding.lower() != "lz4":
        return body
    decompressor = import_module("lz4.frame").LZ4FrameDecompressor()
    try:
        plain: bytes = decompressor.decompress(body, max_length=longest + 1)
    except RuntimeError:
        plain = b""
    if len(plain) > longest:
        raise WireError(307, "TOO_MANY_BYTES", "the body is too long")
    if not decompressor.eof:
        raise WireError(117, "INCORRECT_DATA", "the body is damaged")
    return plain


def _lz4(body: bytes) -> bytes:
    packed: bytes = import_module("lz4.frame").compress(body)
    return packed


def _zstd(body: bytes) -> bytes:
    new = sys.version_info >= (3, 14)
    packed: bytes = import_module(
        "compression.zstd" if new else "backports.zstd"
    ).compress(body)
    return packed


_PACKERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "deflate": partial(zlib.compress, level=1),
    "gzip": partial(gzip.compress, compresslevel=1),
    "lz4": _lz4,
    "zstd": _zstd,
}
