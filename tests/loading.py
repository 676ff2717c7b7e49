"""A store, and segments, for tests of the loader."""

from collections.abc import Callable
from pathlib import Path

import pytest

import pipeline.load_breaker
from pipeline.load import Loaded, Loader
from pipeline.load_plans import prepare
from pipeline.segment import make_folders
from pipeline.store_errors import StoreRefused, StoreUnavailable
from tests.builders import headers

HEADERS = headers()
LINE = b'["a line"]\n'
BAD = b'["a bad line"]\n'


class Store:
    """A store that deduplicates by token, as the engine does, and can fail."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.tokens: list[str] = []
        self.calls: list[tuple[str, bytes, str]] = []
        self.before: Callable[[str], None] = lambda _token: None
        self.after: Callable[[str], None] = lambda _token: None

    def insert_segment(self, table: str, body: bytes, token: str) -> None:
        """Take a segment once, however often it comes; none with a bad line."""
        self.calls.append((table, body, token))
        self.before(token)
        lines = body.splitlines()[2:]
        if BAD.strip() in lines:
            raise StoreRefused(27, "CANNOT_PARSE_INPUT", "near canary")
        if token not in self.tokens:
            self.tokens.append(token)
            self.rows += lines
        self.after(token)

    def heal(self) -> None:
        """Fail no more."""
        self.before = self.after = lambda _token: None


def away(_token: str) -> None:
    """Fail like a store that cannot be reached."""
    raise StoreUnavailable(0, "NETWORK_ERROR")


def loader(root: Path, store: Store, keep_s: float = 600.0) -> Loader:
    """Return a loader for all tables, as a new process has it."""
    return Loader(root, store, HEADERS, keep_s)


def did(
    segments: int = 0, rows: int = 0, failed: int = 0, inserts: int | None = None
) -> Loaded:
    """Return what a pass says that did so; an insert a segment if nothing is said."""
    inserts = segments if inserts is None else inserts
    return Loaded(segments, rows, failed, inserts=inserts)


def seal(root: Path, name: str, lines: bytes = LINE, state: str = "sealed") -> Path:
    """Put a segment into the spool."""
    table = name.partition("-")[0]
    path = root / state / f"{name}.ndjson"
    path.write_bytes(HEADERS[table] + lines)
    return path


def numbered(*numbers: int) -> bytes:
    """Return a line for each number."""
    return b"".join(b'["line %d"]\n' % number for number in numbers)


def plans(root: Path) -> list[str]:
    """Return the names of the plans."""
    return sorted(path.name for path in (root / "attempts").iterdir())


def failed_rows(root: Path) -> list[bytes]:
    """Return the rows that were set aside, sorted."""
    paths = (root / "failed").glob("*.ndjson")
    return sorted(line for path in paths for line in path.read_bytes().splitlines()[2:])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty spool that a loader has seen."""
    make_folders(tmp_path)
    prepare(tmp_path)
    return tmp_path


@pytest.fixture
def store() -> Store:
    """A store that works."""
    return Store()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loader try again at once; the pauses have a test of their own."""
    monkeypatch.setattr(pipeline.load_breaker, "FIRST_PAUSE_S", 0.0)
