"""The page about the API, and the code on it."""

from __future__ import annotations

import shlex

import pytest
from flask.testing import FlaskClient

from webapp.api.openapi.code_samples import _CodeExample, _curl, _javascript, _python

RELABEL = _CodeExample(
    "PUT",
    "http://car/api/v1/photos/x/ground-truth",
    key=True,
    body={"label": "Lada «2107»", "why": "it's one"},
)


def test_every_call_of_the_document_is_on_the_page(client: FlaskClient) -> None:
    page = client.get("/api/v1/docs").text
    for methods in client.get("/api/v1/openapi.json").json["paths"].values():
        assert all(f'id="{told["operationId"]}"' in page for told in methods.values())


def test_the_page_needs_nothing_from_elsewhere_and_no_weaker_policy(client: FlaskClient) -> None:
    answer = client.get("/api/v1/docs")
    assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
    assert "<style" not in answer.text and "style=" not in answer.text
    assert 'src="http' not in answer.text and 'href="http' not in answer.text


def test_what_needs_a_key_says_so(client: FlaskClient) -> None:
    page = client.get("/api/v1/docs").text
    call = page[page.index('id="labels_add"') :]
    assert call[: call.index("</details>")].count("<code>review</code>") == 1


def test_behind_a_prefix_forms_and_code_name_it(client: FlaskClient) -> None:
    page = client.get("/api/v1/docs", environ_overrides={"SCRIPT_NAME": "/marque"}).text
    assert 'action="/marque/api/v1/photos"' in page
    assert "http://localhost/marque/api/v1/models" in page


def test_the_line_for_curl_survives_a_shell() -> None:
    words = shlex.split(_curl(RELABEL).replace("\\\n", ""))
    assert words[:3] == ["curl", "-X", "PUT"]
    assert (
        words[words.index("-d") + 1] == '{"label": "Lada \\u00ab2107\\u00bb", "why": "it\'s one"}'
    )


@pytest.mark.parametrize(
    "example",
    [
        RELABEL,
        _CodeExample("GET", "http://car/x", params={"a": "1"}),
        _CodeExample("POST", "http://car/x", file="file", name="y.jpg"),
    ],
)
def test_the_lines_for_python_can_be_read_by_python(example: _CodeExample) -> None:
    compile(_python(example), "sample", "exec")


def test_the_lines_for_javascript_send_the_same() -> None:
    lines = _javascript(RELABEL)
    assert 'method: "PUT"' in lines
    assert 'JSON.stringify({"label": "Lada «2107»", "why": "it\'s one"})' in lines


def test_all_code_on_the_page_names_this_server(client: FlaskClient) -> None:
    assert "127.0.0.1:8000" not in client.get("/api/v1/docs").text
