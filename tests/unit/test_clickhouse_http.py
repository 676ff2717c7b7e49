"""ClickHouse's HTTP interface, as curl and browsers see it."""

import gzip
import json
import shutil
import subprocess
import zlib
from collections.abc import Callable

import lz4.frame
import pytest
from backports import zstd

from tests import clickhouse_fixture, store_fixture
from tests.clickhouse_fixture import send

shared_store = store_fixture.shared_store
filled_store = clickhouse_fixture.filled_store
port = clickhouse_fixture.port


class TestPlainHttp:
    """What curl and a browser see."""

    def test_greetings(self, port: int) -> None:
        """Probes are answered as a server answers them."""
        for path in ("/", "/ping", "/replicas_status"):
            assert (200, b"Ok.\n") == (send(port, path).status, send(port, path).body)
        assert 404 == send(port, "/play").status
        assert 204 == send(port, method="OPTIONS").status
        assert (200, b"") == send(port, method="HEAD", query="SELECT 1")[::2]

    def test_the_statement_may_stand_anywhere(self, port: int) -> None:
        """In the URL, in the body, or begun in one and ended in the other."""
        answers = [
            send(port, query="SELECT 1"),
            send(port, body=b"SELECT 1"),
            send(port, body=b"1", query="SELECT"),
            send(port, body=b"SELECT 1", query="-- begins here"),
        ]

        assert [b"1\n"] * 4 == [answer.body for answer in answers]
        assert (400, b"Code: 62") == (
            send(port, body=b"").status,
            send(port, body=b"").body[:8],
        )

    def test_formats(self, port: int) -> None:
        """FORMAT, else the parameter, else the header, else TSV; and it is told."""
        header = {"X-ClickHouse-Format": "JSONEachRow"}
        answers = [
            send(port, query="SELECT 1 AS a"),
            send(port, query="SELECT 1 AS a", headers=header),
            send(port, query="SELECT 1 AS a", headers=header, default_format="CSV"),
            send(port, query="SELECT 1 AS a FORMAT JSON", default_format="CSV"),
        ]

        assert ["TabSeparated", "JSONEachRow", "CSV", "JSON"] == [
            answer.headers["X-ClickHouse-Format"] for answer in answers
        ]
        assert [b"1\n", b'{"a":1}\n', b"1\n"] == [each.body for each in answers[:3]]
        assert [{"a": 1}] == json.loads(answers[3].body)["data"]
        assert "application/json; charset=UTF-8" == answers[3].headers["Content-Type"]

    def test_headers(self, port: int) -> None:
        """An answer tells its query id, time zone, and what was read."""
        headers = send(port, query="SELECT 1", query_id="mine-1").headers

        assert "mine-1" == headers["X-ClickHouse-Query-Id"]
        assert headers["X-ClickHouse-Timezone"]
        assert "kastana" == headers["X-ClickHouse-Server-Display-Name"]
        assert int(json.loads(headers["X-ClickHouse-Summary"])["elapsed_ns"]) > 0
        assert "Access-Control-Allow-Origin" not in headers

    def test_a_strange_query_id_is_not_echoed(self, port: int) -> None:
        """It would be a header of the sender's making."""
        headers = send(port, query="SELECT 1", query_id="a\r\nX: y").headers

        assert 36 == len(headers["X-ClickHouse-Query-Id"])

    @pytest.mark.parametrize("value", ["plain", "a'b\\c\td\ne", "é ☃", "{x:y} %(p)s"])
    def test_parameters(self, port: int, value: str) -> None:
        """A parameter arrives as it was meant, escaped as in TSV."""
        escaped = value
        for plain, code in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n")):
            escaped = escaped.replace(plain, code)

        answer = send(
            port, query="SELECT {p:String} FORMAT JSONCompactEachRow", param_p=escaped
        )

        assert [value] == json.loads(answer.body)

    def test_parameters_of_a_form(self, port: int) -> None:
        """Clients move long statements into a form."""
        boundary = "x"
        fields = {"query": "SELECT {a:UInt8} + {b:UInt8}", "param_a": "1"}
        body = "".join(
            f"--{boundary}\r\nContent-Disposition: form-data; "
            f'name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}

        answer = send(
            port, body=f"{body}--{boundary}--\r\n".encode(), headers=kind, param_b="2"
        )

        assert b"3\n" == answer.body

    def test_null_parameter(self, port: int) -> None:
        r"""It is sent as `\N`."""
        assert (
            b"1\n"
            == send(
                port, query="SELECT isNull({p:Nullable(String)})", param_p="\\N"
            ).body
        )

    @pytest.mark.parametrize(
        ("encoding", "unpack"),
        [
            ("gzip", gzip.decompress),
            ("deflate", zlib.decompress),
            ("zstd", zstd.decompress),
            ("lz4", lz4.frame.decompress),
        ],
    )
    def test_answers_are_packed_as_asked(
        self, port: int, encoding: str, unpack: Callable[[bytes], bytes]
    ) -> None:
        """By Accept-Encoding, unless told not to."""
        ask = "SELECT number FROM numbers(5000)"
        headers = {"Accept-Encoding": f"br;q=1, identity;q=0, {encoding};q=0.5"}

        packed = send(port, query=ask, headers=headers)
        plain = send(port, query=ask, headers=headers, enable_http_compression="0")

        assert encoding == packed.headers["Content-Encoding"]
        assert plain.body == unpack(packed.body)
        assert "Content-Encoding" not in plain.headers
        refusing = {"Accept-Encoding": f"{encoding};q=0"}
        assert plain.body == send(port, query=ask, headers=refusing).body

    @pytest.mark.parametrize(
        ("encoding", "pack"),
        [
            ("gzip", gzip.compress),
            ("deflate", zlib.compress),
            ("zstd", zstd.compress),
            ("lz4", lz4.frame.compress),
        ],
    )
    def test_packed_statements(
        self, port: int, encoding: str, pack: Callable[[bytes], bytes]
    ) -> None:
        """A body may be packed, but not hide more than its limit."""
        headers = {"Content-Encoding": encoding}
        bomb = pack(b" " * (4 << 20) + b"SELECT 1")

        assert b"1\n" == send(port, body=pack(b"SELECT 1"), headers=headers).body
        assert 413 == send(port, body=bomb, headers=headers).status

    def test_damaged_statements(self, port: int) -> None:
        """A body that ends too soon is not taken for what it holds so far."""
        damaged = lz4.frame.compress(b"SELECT 1")[:-5]

        assert (
            400 == send(port, body=damaged, headers={"Content-Encoding": "lz4"}).status
        )

    @pytest.mark.parametrize(
        ("fields", "status", "code"),
        [
            ({"query": "SELECT nonsense"}, 404, "47"),
            ({"query": "SELECT * FROM nothing"}, 404, "60"),
            ({"query": "SELECT FROM WHERE"}, 400, "62"),
            ({"query": "SELECT 1", "database": "secret"}, 404, "81"),
            ({"query": "SELECT 1", "default_format": "Template"}, 404, "73"),
            ({"query": "DROP TABLE hits"}, 403, "164"),
            ({"query": "SELECT file('/etc/passwd')"}, 403, "497"),
            ({"query": "SELECT 1; SELECT 2"}, 400, "62"),
            ({"query": "SELECT 1", "format_template_row": "/etc/passwd"}, 403, "164"),
            ({"query": "SELECT 1", "role": "admin"}, 403, "164"),
            ({"query": "SELECT 1", "compress": "1"}, 501, "48"),
            ({"query": "SELECT {p:UInt8}"}, 500, "456"),
            ({"query": "SELECT {p:UInt8}", "param_p": "x"}, 400, "457"),
            ({"query": "SELECT {p:String}", "param_p": "\\xff"}, 400, "457"),
        ],
    )
    def test_errors(
        self, port: int, fields: dict[str, str], status: int, code: str
    ) -> None:
        """Status, code and name are ClickHouse's."""
        answer = send(port, **fields)

        assert (status, code) == (
            answer.status,
            answer.headers["X-ClickHouse-Exception-Code"],
        )
        assert answer.body.startswith(f"Code: {code}. DB::Exception: ".encode())
        assert answer.body.endswith(b")\n")

    def test_an_error_tells_the_author_what_is_wrong(self, port: int) -> None:
        """The misspelt name is in the answer; the guard's reason, too."""
        assert b"nonsense" in send(port, query="SELECT nonsense").body
        assert b"reads a file" in send(port, query="SELECT file('x')").body

    def test_bytes_that_are_no_text(self, port: int) -> None:
        """Are a syntax error, not a crash."""
        assert 400 == send(port, body=b"SELECT '\xff'").status

    def test_settings(self, port: int) -> None:
        """Harmless ones work, limits can be lowered, the connection's are ignored."""
        joined = send(
            port,
            query="SELECT isNull(b.site) FROM (SELECT 9 AS id) AS a "
            "LEFT JOIN hits AS b USING (id)",
            join_use_nulls="1",
            wait_end_of_query="1",
            session_id="s",
            max_execution_time="0",
            readonly="0",
        )
        many = "SELECT number FROM numbers(100000)"

        assert b"1\n" == joined.body
        few = send(port, query=many, max_result_rows="10")
        assert "396" == few.headers["X-ClickHouse-Exception-Code"]

    def test_too_many_at_a_time(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """At the bound the answer is clear, and says when to come back."""
        monkeypatch.setattr("collector.clickhouse_http._MOST_WAITING", 0)

        answer = send(port, query="SELECT 1")

        assert 503 == answer.status
        assert "202" == answer.headers["X-ClickHouse-Exception-Code"]
        assert "1" == answer.headers["Retry-After"]

    def test_curl(self, port: int) -> None:
        """The line that is in everyone's fingers."""
        curl = shutil.which("curl")
        if curl is None:
            pytest.skip("no curl here")
        line = [curl, "-sS", f"http://127.0.0.1:{port}/", "--data-binary", "@-"]

        done = subprocess.run(
            [*line, "--compressed"],
            input=b"SELECT count() FROM hits",
            capture_output=True,
            check=True,
            timeout=30,
        )

        assert b"3\n" == done.stdout
