"""The page of a model's labels, and the pages that read them."""

import json

from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner

from tests.views.conftest import Send

PAGE = "/models/f1-teams/labels"
HAAS = {
    "label": "haas",
    "name": "Хаас",
    "parent": "USA",
    "color": "#112233",
    "aliases": "Лада\nГранта",
    "key": "h",
}


def test_only_admins_come_in(client: FlaskClient, reviewer: FlaskClient) -> None:
    assert client.get(PAGE).location.startswith("/login")
    assert reviewer.get(PAGE).status_code == 403
    assert (
        reviewer.post(PAGE, data=HAAS).status_code == 403
        and reviewer.post(f"{PAGE}/undo", data=HAAS).status_code == 403
    )


def test_the_list_has_every_label_and_says_that_nothing_was_changed(admin: FlaskClient) -> None:
    page = admin.get(PAGE).text
    assert "McLaren" in page and "Nobody has changed a label" in page
    assert "Labels" in admin.get("/models/f1-teams").text


def test_the_list_can_be_searched(admin: FlaskClient) -> None:
    assert "?label=haas" not in admin.get(f"{PAGE}?q=ferr").text
    assert "No team with “zzz”" in admin.get(f"{PAGE}?q=zzz").text


def test_a_new_name_stands_on_every_page_and_can_be_taken_back(
    admin: FlaskClient, send: Send
) -> None:
    photo = send(ground_truth="haas")
    page = admin.post(PAGE, data=HAAS, follow_redirects=True).text
    assert "Saved: 5 changes" in page and "its card says “Haas”" in page and "Лада, Гранта" in page
    assert "it really is <b>Хаас</b>" in admin.get(f"/photos/{photo}").text
    assert "Хаас" in admin.get("/gallery").text and "Хаас" in admin.get("/stats").text
    assert (
        "Undone: 5 changes"
        in admin.post(f"{PAGE}/undo", data={"label": "haas"}, follow_redirects=True).text
    )
    assert "it really is <b>Haas</b>" in admin.get(f"/photos/{photo}").text
    assert (
        "nothing to undo"
        in admin.post(f"{PAGE}/undo", data={"label": "haas"}, follow_redirects=True).text
    )


def test_a_label_has_a_key_in_the_review_and_is_found_by_its_alias(
    admin: FlaskClient, send: Send
) -> None:
    send()
    admin.post(PAGE, data=HAAS)
    assert 'value="haas" aria-keyshortcuts="h"' in admin.get("/review").text
    assert 'value="haas"' in admin.get("/review/labels?q=лада").text


def test_a_retired_label_is_offered_nowhere_and_still_filtered_by(
    admin: FlaskClient, send: Send
) -> None:
    send("#787878")
    admin.post(PAGE, data={**HAAS, "retired": "yes"})
    assert (
        'value="haas"' not in admin.get("/").text
        and 'value="haas"' not in admin.get("/review/labels").text
    )
    assert 'name="label" value="haas"' not in admin.get("/review").text
    assert admin.get("/gallery").text.count('<option value="haas"') == 2


def test_what_makes_no_sense_is_said_and_kept_in_the_form(admin: FlaskClient) -> None:
    page = admin.post(PAGE, data={**HAAS, "color": "red"})
    assert (
        page.status_code == 400
        and "A colour is written as #RRGGBB" in page.text
        and 'value="Хаас"' in page.text
    )


def test_a_model_or_label_that_is_not_there_is_said(admin: FlaskClient) -> None:
    assert admin.get("/models/nobody/labels").status_code == 404
    assert admin.get(f"{PAGE}?label=trabant").status_code == 422
    assert admin.post(PAGE, data={"label": "trabant"}).status_code == 422


def test_json_and_the_terminal_list_them_and_the_card_stays(
    app: Flask, admin: FlaskClient, key: dict[str, str], runner: FlaskCliRunner
) -> None:
    admin.post(PAGE, data=HAAS)
    items = admin.get(f"/api/v1{PAGE}", headers=key).json["items"]
    haas = next(item for item in items if item["label"] == "haas")
    assert (haas["display"], haas["aliases"], haas["key"], haas["retired"]) == (
        "Хаас",
        ["Лада", "Гранта"],
        "h",
        False,
    )
    assert (
        "haas\tХаас\tUSA\tЛада, Гранта"
        in runner.invoke(args=["model", "labels", "f1-teams"]).output
    )
    card = json.loads(runner.invoke(args=["model", "show", "f1-teams", "--json"]).output)
    assert card["labels"][3] == {
        "name": "haas",
        "display": "Haas",
        "color": "#787878",
        "parent": "",
        "aliases": [],
    }


def test_a_photo_becomes_the_reference_photo_from_its_own_page(
    admin: FlaskClient, reviewer: FlaskClient, send: Send
) -> None:
    photo = send(ground_truth="haas")
    assert "Use as reference photo of Haas" in admin.get(f"/photos/{photo}").text
    assert "Use as reference photo" not in reviewer.get(f"/photos/{photo}").text
    asked = {"label": "haas", "photo": photo, "next": f"/photos/{photo}"}
    assert reviewer.post(f"{PAGE}/photo", data=asked).status_code == 403
    page = admin.post(f"{PAGE}/photo", data=asked, follow_redirects=True).text
    assert (
        "the reference photo of" in page
        and f'value="{photo}"' in admin.get(f"{PAGE}?label=haas").text
    )


def test_a_photo_of_another_label_is_no_reference_photo(admin: FlaskClient, send: Send) -> None:
    asked = {"label": "haas", "photo": send(ground_truth="ferrari")}
    assert (
        "must have been checked as this label"
        in admin.post(f"{PAGE}/photo", data=asked, follow_redirects=True).text
    )
