"""The review page in a real Airflow: who gets in, what is sent with it, and a decision by keys alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support import chromium
from tests.support.airflow_stack import AirflowStack
from tests.support.review import Pairs, two

from kinbridge.warehouse.connection import Dsn

pytestmark = pytest.mark.airflow

PAGES = ("/", "/next", "/pair/1", "/decided", "/static/review.css", "/static/keys.js")
BASE = "/kinbridge/review"
# What stands in the records of these pairs.
VALUES = ("Wilhelmina", "Willa", "Ostrander", "2022-03-04", "2022-04-03")


@dataclass(frozen=True)
class Site:
    """The running Airflow with pairs that wait."""

    stack: AirflowStack
    pairs: Pairs

    def token(self, user: str) -> str:
        """What Airflow gives the user for name and password."""
        service = self.stack.stack.airflow.as_user(user)
        answer = httpx.post(
            f"{service.url}/auth/token", json={"username": service.user, "password": service.password}, timeout=60
        )
        return str(answer.json()["access_token"])

    def client(self, user: str | None) -> httpx.Client:
        """A browser of a kind, logged in to Airflow's UI as the user."""
        cookies = {"_token": self.token(user)} if user else {}
        return httpx.Client(base_url=self.stack.stack.airflow.url, cookies=cookies, timeout=120)


@dataclass(frozen=True)
class _Warehouse:
    superuser: Dsn
    linkage: Dsn
    steward: Dsn


@pytest.fixture(scope="module")
def site(airflow: AirflowStack) -> Iterator[Site]:
    dsns = airflow.stack.dsns
    pairs = Pairs(_Warehouse(airflow.superuser, dsns["kb_linkage"], dsns["kb_steward"]))
    for number in range(8):
        two(pairs, number, number / 8, levels=(number + 1,))
    pairs.fill()
    yield Site(airflow, pairs)
    pairs.connection.close()


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the first form of a page."""
    return {
        name: unescape(value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    }


def looks(site: Site) -> list[Any]:
    return site.pairs.events("looked at a pair")


@pytest.mark.parametrize("path", PAGES)
def test_nobody_gets_in_without_a_log_in_and_no_user_but_a_steward(site: Site, path: str) -> None:
    before = looks(site)
    with site.client(None) as nobody, site.client("analyst") as analyst:
        assert nobody.get(f"{BASE}{path}").status_code == 401
        answer = analyst.get(f"{BASE}{path}")
    assert answer.status_code == 403
    assert not any(value in answer.text for value in VALUES)
    assert looks(site) == before


def test_nobody_else_decides(site: Site) -> None:
    form = {"look": "1", "token": "x", "verdict": "same", "reason": "because"}
    with site.client(None) as nobody, site.client("analyst") as analyst:
        for path in ("/pair/1", "/decided/1/withdraw"):
            assert nobody.post(f"{BASE}{path}", data=form).status_code == 401
            assert analyst.post(f"{BASE}{path}", data=form).status_code == 403
    assert site.pairs.query("SELECT count(*) FROM identity.pair_decision") == [(0,)]


def test_the_queue_has_no_values_and_a_pair_is_a_look(site: Site) -> None:
    before = len(looks(site))
    with site.client("privacy") as client:
        queue = client.get(f"{BASE}/")
        assert queue.status_code == 200
        assert "8 pairs wait for you" in queue.text
        assert not any(value in queue.text for value in VALUES)
        assert len(looks(site)) == before
        pair = client.get(f"{BASE}/pair/3")
    assert all(f">{value}<" in pair.text.replace("<mark>", "").replace("</mark>", "") for value in VALUES)
    actor, facts = looks(site)[-1]
    assert (actor, facts["pair"], facts["role"]) == ("farrokhzad", 3, "kb_steward")
    for answer in (queue, pair):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_form_counts_for_one_reviewer_in_one_browser_from_this_site(site: Site) -> None:
    with site.client("steward") as mine, site.client("steward") as other, site.client("privacy") as colleague:
        form = {**fields(mine.get(f"{BASE}/pair/4").text), "verdict": "unsure", "reason": "Only the partner can tell"}
        cookie = next(one for one in mine.cookies.jar if one.name == "kinbridge_review")
        assert (cookie.path, cookie.get_nonstandard_attr("SameSite")) == (BASE, "strict")
        assert cookie.has_nonstandard_attr("HttpOnly")
        own = mine.cookies["kinbridge_review"]
        for client, more in (
            (other, {}),
            (colleague, {"Cookie": f"kinbridge_review={own}; _token={colleague.cookies['_token']}"}),
            (mine, {"Sec-Fetch-Site": "cross-site"}),
        ):
            assert client.post(f"{BASE}/pair/4", data=form, headers=more).status_code == 403
        for wrong in ({**form, "token": "0" * 64}, {**form, "token": "ü"}):
            assert mine.post(f"{BASE}/pair/4", data=wrong).status_code == 403
        # The token of one pair is not that of another.
        assert mine.post(f"{BASE}/pair/5", data=form).status_code == 403
    assert site.pairs.query("SELECT count(*) FROM identity.pair_decision") == [(0,)]


def test_a_decision_needs_a_reason_that_quotes_nothing(site: Site) -> None:
    with site.client("steward") as client:
        for reason, text in (("", "nothing is said of the reason"), ("both are Ostrander", "KB-K65")):
            page = client.get(f"{BASE}/pair/5").text
            answer = client.post(f"{BASE}/pair/5", data={**fields(page), "verdict": "same", "reason": reason})
            assert answer.status_code == 200
            assert text in unescape(answer.text)
            assert "both are" not in answer.text
        # What is not there, and what nobody sends.
        assert client.get(f"{BASE}/pair/999").status_code == 404
        assert client.get(f"{BASE}/pair/Ostrander").status_code == 404
        assert "Ostrander" not in client.get(f"{BASE}/pair/Ostrander").text
        assert client.post(f"{BASE}/pair/5", data={"look": "Ostrander"}).status_code == 404
    assert site.pairs.query("SELECT count(*) FROM identity.pair_decision") == [(0,)]


def test_the_page_is_in_the_navigation(site: Site) -> None:
    plugins = site.stack.api.call("GET", "/plugins")["plugins"]
    [own] = [plugin for plugin in plugins if plugin["name"] == "kinbridge"]
    [view] = own["external_views"]
    assert (view["name"], view["href"], view["url_route"]) == ("Review", f"{BASE}/", "review")


@pytest.mark.parametrize("scripts", [True, False], ids=["with the script", "without any script"])
def test_a_steward_decides_by_keys_alone_in_a_browser(site: Site, tmp_path: Path, scripts: bool) -> None:
    url = site.stack.stack.airflow.url
    before = site.pairs.query("SELECT count(*) FROM identity.pair_decision")[0][0]
    with chromium.running(tmp_path) as browser:
        browser.cookie(url, "_token", site.token("steward"))
        browser.scripts(on=scripts)
        browser.open(f"{url}{BASE}/next")
        browser.wait("document.readyState === 'complete' && document.querySelector('form.decide') !== null")
        pair = int(browser.ask("location.pathname").rpartition("/")[2])
        if scripts:
            browser.press("d")
            browser.wait("document.activeElement.id === 'reason'")
        else:
            # From the address bar through the page: into the choice, down to the second, on to the reason.
            _tab_to(browser, "document.activeElement.name === 'verdict'")
            browser.press("ArrowDown")
            browser.press("Tab")
        browser.write("Twins, or brothers and sisters")
        browser.press("Enter")
        browser.wait("document.querySelector('.done') !== null")
        assert int(browser.ask("location.pathname").rpartition("/")[2]) != pair
    assert site.pairs.query("SELECT count(*) FROM identity.pair_decision")[0][0] == before + 1
    [(verdict, reason, by, seen)] = site.pairs.query(
        "SELECT verdict, reason, decided_by, seen FROM identity.pair_decision ORDER BY decision_id DESC LIMIT 1"
    )
    assert (verdict, reason, by) == ("different", "Twins, or brothers and sisters", "wetherby")
    assert seen["pair"] == pair


def _tab_to(browser: chromium.Browser, condition: str) -> None:
    for _ in range(20):
        browser.press("Tab")
        if browser.ask(condition):
            return
    raise AssertionError(f"no key leads to it: {condition}")


def test_a_decision_is_withdrawn_on_the_page_of_the_past(site: Site) -> None:
    with site.client("steward") as client:
        page = client.get(f"{BASE}/decided").text
        assert not any(value in page for value in VALUES)
        number = int(re.findall(r'id="d(\d+)"', page)[0])
        form = {**fields(page), "reason": "the wrong pair"}
        assert client.post(f"{BASE}/decided/{number}/withdraw", data={**form, "token": "x"}).status_code == 403
        answer = client.post(f"{BASE}/decided/{number}/withdraw", data=form)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{BASE}/decided#d{number}")
        assert client.post(f"{BASE}/decided/{number}/withdraw", data=form).status_code == 404
    assert site.pairs.query("SELECT withdraws FROM identity.pair_decision ORDER BY decision_id DESC LIMIT 1") == [
        (number,)
    ]


def test_no_value_is_in_any_log_of_airflow(site: Site) -> None:
    """Last in this module: everything above has been asked by then."""
    logs = "".join(
        path.read_text(encoding="utf-8", errors="replace") for path in (site.stack.state / "airflow").rglob("*.log")
    )
    assert f"{BASE}/pair/3" in logs
    # One request had a value in its address; browsers and servers log addresses, which is why no page makes such.
    quiet = "\n".join(line for line in logs.splitlines() if "/pair/Ostrander" not in line)
    assert not [value for value in VALUES if value in quiet]
