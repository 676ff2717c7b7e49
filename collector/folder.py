"""
The data folder: where everything that lasts lies, readable by its owner alone.

    spool/    segments on their way to the store
    engine/   the embedded ClickHouse
    secrets/  keys and the day's salt, 0600 each
    geo/      city databases
    lists/    newer copies of lists that the package has (`kastana lists refresh`)
    networks/ the operator's lists of networks: `datacenter.txt`, `people.txt` …
    metrics/  the processes' counters
    sites.toml, keeper.json, server.json (how to reach them), chain.id, heads.json
    (the ledger's last records), objections (who withdrew), erased (how far that was
    carried out)
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import msgspec
import orjson


class FolderError(Exception):
    """The data folder cannot be used as it is."""


class KeeperAddress(msgspec.Struct, frozen=True):
    """How the command line reaches the keeper that runs on this folder."""

    url: str
    clickhouse_url: str
    pid: int


class Folder:
    """Paths and small files under one data folder."""

    def __init__(self, root: Path) -> None:
        """Make the folder and its parts; 0700."""
        self.root = root.absolute()
        self.spool = self.root / "spool"
        self.engine = self.root / "engine"
        self.secrets = self.root / "secrets"
        self.geo = self.root / "geo"
        self.lists = self.root / "lists"
        self.networks = self.root / "networks"
        self.metrics = self.root / "metrics"
        self.scratch = self.root / "scratch"
        self.sites = self.root / "sites.toml"
        self.objections = self.root / "objections"
        self.server = self.root / "server.json"
        try:
            for path in (
                self.root,
                self.spool,
                self.engine,
                self.secrets,
                self.geo,
                self.lists,
                self.networks,
                self.metrics,
                self.scratch,
            ):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            message = f"{error.filename}: {error.strerror}"
            raise FolderError(message) from error

    @property
    def salt(self) -> Path:
        """The day's salt; only pipeline/salt.py reads and writes it."""
        return self.secrets / "day.salt"

    def secret(self, name: str) -> bytes:
        """
        Return the 32 bytes of a secret, made at first use.

        Several processes may ask at the same moment: one makes the file, under
        another name first, so that nobody ever reads half of it.
        """
        return self._random(self.secrets / name, 32)

    def chain_id(self) -> str:
        """Return who this folder is in the ledger of consents: a random id, 32 hex."""
        return self._random(self.root / "chain.id", 16).hex()

    @property
    def erased(self) -> Path:
        """How far objections were carried out; pipeline/withdrawal/erase.py's alone."""
        return self.root / "erased"

    @property
    def heads(self) -> Path:
        """What the ledger's writer knows; only pipeline/ledger/heads.py writes it."""
        return self.root / "heads.json"

    def _random(self, path: Path, size: int) -> bytes:
        """Return the random bytes of a file, made at first use."""
        if not path.exists():
            # Not by the process's number: in containers each has the same one.
            draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            write_private(draft, secrets.token_hex(size) + "\n")
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        try:
            content = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except ValueError:
            content = b""
        if len(content) != size:
            name = path.relative_to(self.root)
            message = f"{name} is not {2 * size} hexadecimal digits"
            raise FolderError(message)
        return content

    @contextlib.contextmanager
    def alone(self, role: str) -> Iterator[None]:
        """
        Hold a role on this folder while the context lasts.

        Raises:
            FolderError: when another process holds it.

        """
        lock = os.open(
            self.root / f"{role}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            message = f"another {role} is running on {self.root}"
            raise FolderError(message) from None
        try:
            yield
        finally:
            os.close(lock)

    def write_keeper(self, address: KeeperAddress) -> None:
        """Leave word where the keeper listens."""
        draft = self.root / ".keeper.json"
        write_private(draft, orjson.dumps(msgspec.to_builtins(address)).decode())
        draft.replace(self.root / "keeper.json")

    def read_keeper(self) -> KeeperAddress:
        """
        Return where the keeper of this folder listens.

        Raises:
            FolderError: when none has left word, or none that can be read.

        """
        try:
            content = (self.root / "keeper.json").read_bytes()
        except FileNotFoundError as error:
            message = (
                f"no keeper has run on {self.root}; start `kastana serve` or name "
                "its folder with --data"
            )
            raise FolderError(message) from error
        try:
            return msgspec.json.decode(content, type=KeeperAddress)
        except msgspec.DecodeError as error:
            message = f"{self.root}/keeper.json is damaged; start the keeper again"
            raise FolderError(message) from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, and sync it."""
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
    )
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
