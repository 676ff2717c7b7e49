"""Who may ask through ClickHouse's HTTP interface."""

import pytest

from collector.clickhouse_http import clickhouse_app
from pipeline.store import Store
from tests import clickhouse_fixture, store_fixture
from tests.clickhouse_fixture import send
from tests.store_fixture import serving

shared_store = store_fixture.shared_store
filled_store = clickhouse_fixture.filled_store
port = clickhouse_fixture.port


class TestWhoMayAsk:
    """Programs here, people with credentials; no pages of other sites."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://elsewhere.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Host": "elsewhere.example"},
            {"Host": "elsewhere.example", "Origin": "http://elsewhere.example"},
            {"Host": "127.0.0.1.elsewhere.example:8123"},
            {"Host": "127.0.0.1@elsewhere.example"},
            {"Host": ""},
        ],
    )
    def test_foreign_pages_are_refused(
        self, port: int, headers: dict[str, str]
    ) -> None:
        """By origin, by what the browser says of it, by a rebound name."""
        answer = send(port, query="SELECT 'told'", headers=headers)

        assert 403 == answer.status
        assert b"told" not in answer.body

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Sec-Fetch-Site": "none"},
            {"Sec-Fetch-Site": "same-origin"},
            {"Host": "localhost:8123"},
            {"Host": "[::1]:8123", "Origin": "http://[::1]:8123"},
        ],
    )
    def test_own_requests_are_not(self, port: int, headers: dict[str, str]) -> None:
        """A program, an address typed in, a page of this machine."""
        assert b"1\n" == send(port, query="SELECT 1", headers=headers).body

    def test_credentials(self, filled_store: Store) -> None:
        """Each way of sending them works, and none without them."""
        app = clickhouse_app(
            filled_store,
            authorise=lambda user, secret: (
                (user, secret) in {("ana", "pass:é"), ("bo", "x"), ("", "token")}
            ),
        )
        basic = "Basic YW5hOnBhc3M6w6k="
        with serving(app) as port:
            good = [
                send(port, query="SELECT 1", headers={"Authorization": basic}),
                send(port, query="SELECT 1", headers={"Authorization": "Bearer token"}),
                send(port, query="SELECT 1", user="ana", password="pass:é"),
                send(
                    port,
                    query="SELECT 1",
                    headers={
                        "X-ClickHouse-User": "bo",
                        "X-ClickHouse-Key": "x",
                    },
                ),
                send(
                    port,
                    query="SELECT 1",
                    headers={"Authorization": basic, "Host": "ch.example"},
                ),
            ]
            bad = [
                send(port, query="SELECT 1"),
                send(port, query="SELECT 1", user="ana"),
                send(port, query="SELECT 1", headers={"Authorization": "Basic !!"}),
                send(port, query="SELECT 1", headers={"Authorization": "Bearer x"}),
                send(
                    port,
                    query="SELECT 1",
                    headers={"Authorization": basic, "Origin": "https://x.example"},
                ),
            ]
            assert send(port, "/ping").status == 200

        assert [200] * 5 == [answer.status for answer in good]
        assert [403] * 5 == [answer.status for answer in bad]
        assert "516" == bad[0].headers["X-ClickHouse-Exception-Code"]
