"""The rule packs that ship with the package, by name and by day."""

import functools
from collections.abc import Collection, Iterable
from importlib import resources

from schemas.packs.checks import parse_pack
from schemas.packs.pack import Pack, PackError

# In a site's rules: all packs that need no assessment of the operator's own.
AUTO = "auto"
# The exemption is the operator's own assessment; nobody else can make it.
_BY_NAME_ONLY = frozenset({"eu_fr_exempt"})


class Packs:
    """
    Rule packs of all versions; immutable.

    Attributes:
        jurisdictions: ids of the packs that a site can be under, sorted.
        switches: names of all switches of any pack.

    """

    def __init__(self, packs: Iterable[Pack]) -> None:
        """
        Take packs of any version, in any order.

        Raises:
            PackError: when two are the same version, or an older text would decide
                after a newer one.

        """
        self._versions: dict[str, tuple[Pack, ...]] = {}
        for pack in sorted(packs, key=lambda one: (one.id, one.version)):
            older = self._versions.get(pack.id, ())
            if older:
                _check_newer(pack, older[-1])
            self._versions[pack.id] = (*older, pack)
        # Newest last, so that its word stands where two versions differ.
        newest = {name: versions[-1] for name, versions in self._versions.items()}
        self.jurisdictions: tuple[str, ...] = tuple(
            name for name, pack in newest.items() if pack.decide is not None
        )
        self.switches: frozenset[str] = frozenset(
            switch
            for versions in self._versions.values()
            for pack in versions
            for switch in pack.switches
        )
        self.at = functools.lru_cache(maxsize=64)(self._at)

    @property
    def newest(self) -> str:
        """The version of the newest text, ISO 8601."""
        return max(versions[-1].version for versions in self._versions.values())

    def get(self, name: str, version: str) -> Pack:
        """
        Return one version of a pack, to decide again as it did.

        Raises:
            PackError: when there is no such version.

        """
        for pack in self._versions.get(name, ()):
            if pack.version == version:
                return pack
        raise PackError(f"{name}-{version}", "there is no such pack")

    def oldest(self, name: str) -> Pack:
        """
        Return a pack's first version, for days before it.

        Raises:
            PackError: when there is no such pack.

        """
        if name not in self._versions:
            raise PackError(name, "there is no such pack")
        return self._versions[name][0]

    def expand(self, rules: tuple[str, ...]) -> tuple[str, ...]:
        """Return a site's rules as pack ids, `auto` as what it stands for."""
        if rules == (AUTO,):
            return tuple(
                name for name in self.jurisdictions if name not in _BY_NAME_ONLY
            )
        return rules

    def switches_of(self, rules: tuple[str, ...]) -> frozenset[str]:
        """Return the switches that some version of these packs knows."""
        return frozenset(
            switch
            for name in self.expand(rules)
            for pack in self._versions.get(name, ())
            for switch in pack.switches
        )

    def needs(self, switch: str) -> frozenset[str]:
        """Return the switches without which one does nothing, in any pack."""
        return frozenset(
            pack.switches[switch].needs
            for versions in self._versions.values()
            for pack in versions
            if switch in pack.switches and pack.switches[switch].needs
        )

    def check_fields(self, names: Collection[str]) -> None:
        """
        Check that all fields which a pack keeps away exist.

        Args:
            names: the stored fields, such as `policy.columns("events")`.

        Raises:
            PackError: for a field that does not.

        """
        for versions in self._versions.values():
            for pack in versions:
                hidden = pack.absent
                for field in (*hidden.given, *hidden.unknown, *hidden.refused):
                    if field not in names:
                        where = f"{pack.id}-{pack.version}: absent"
                        raise PackError(where, f"there is no field {field!r}")

    def _at(self, day: str) -> dict[str, Pack]:
        """Return each pack as it decides on a day, ISO 8601; those that do."""
        found = {}
        for name, versions in self._versions.items():
            for pack in versions:
                if pack.effective <= day:
                    found[name] = pack
        return found


@functools.cache
def load_packs() -> Packs:
    """
    Load the packs that ship with the package.

    Raises:
        PackError: at the first thing that does not hold, naming file and key.

    """
    folder = resources.files("schemas.packs")
    files = sorted(
        (entry.name, entry.read_bytes())
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )
    return Packs(read_pack(name, content) for name, content in files)


def read_pack(file_name: str, content: bytes) -> Pack:
    """
    Read a pack from its file.

    Raises:
        PackError: naming the file and the key at fault.

    """
    try:
        pack = parse_pack(content.decode())
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8: byte {error.start}"
        raise PackError(file_name, problem) from None
    except PackError as error:
        raise PackError(f"{file_name}: {error.where}", error.problem) from error
    expected = f"{pack.id}-{pack.version}.toml"
    if file_name != expected:
        raise PackError(file_name, f"must be called {expected!r}")
    return pack


def _check_newer(pack: Pack, older: Pack) -> None:
    where = f"{pack.id}-{pack.version}"
    if pack.version == older.version:
        raise PackError(where, "is there twice")
    if pack.effective <= older.effective:
        raise PackError(
            where, f"must be effective after version {older.version}, which it replaces"
        )
    if (pack.decide is None) is not (older.decide is None):
        raise PackError(where, "has rows or not, as the version that it replaces")
