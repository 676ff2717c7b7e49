"""The front desk: what is answered before any door is asked."""

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from collector.desk import Desk
from collector.folder import Folder
from collector.runtime import build
from schemas.settings import Settings


@pytest.mark.parametrize(
    ("door", "status"),
    [("events", 503), ("pixel", 503), ("redirect", 200), ("gpc", 200)],
)
async def test_without_a_list_of_sites_nothing_is_taken(
    tmp_path: Path, door: str, status: int
) -> None:
    """A refused site would be final; 503 is sent again. A reader goes on."""
    (tmp_path / "sites.toml").write_text("[x")
    settings = Settings(data=str(tmp_path))
    doors = build(settings, Folder(tmp_path)).doors

    async def handler(_request: web.Request) -> web.Response:
        return web.Response()

    guarded = Desk(settings, doors).guard(door, handler)
    response = await guarded(make_mocked_request("POST", "/"))

    assert response.status == status
    if status != 200:
        assert isinstance(response, web.Response)
        assert b"sites_unusable" in (response.body or b"")
        assert "Retry-After" in response.headers
