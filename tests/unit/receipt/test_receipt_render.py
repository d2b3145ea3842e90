"""The receipt as a page and as JSON: complete, readable by everyone, safe to open, the same each time."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
import yaml

from kinbridge.ledger.accounts import Account
from kinbridge.ledger.states import State
from kinbridge.receipt import render, words
from kinbridge.receipt.model import Cause, Decision, Earlier, LineRange, Receipt
from kinbridge.receipt.render import as_plain, render_html, render_json

WHEN = datetime(2026, 7, 3, 5, 12, tzinfo=UTC)
CAUSE = Cause(
    rule="dob.range",
    code="KB-R06",
    title="Out of range",
    severity="critical",
    scope="row",
    columns=("DOB",),
    expected="1900-01-02 to the end of the period",
    count=7,
    meaning="The value cannot be true.",
    remedy="Correct the value.",
    ranges=(LineRange(12, 12), LineRange(40, 44)),
    unlisted=1,
)
RECEIPT = Receipt(
    delivery_id=12,
    partner="medicaid",
    partner_name="Medicaid Agency",
    feed="medicaid/eligibility_v1",
    feed_title="Monthly eligibility",
    file_name="eligibility_202606.txt",
    size_bytes=86_412_991,
    sha256="ab" * 32,
    period=date(2026, 6, 1),
    as_of=date(2026, 6, 30),
    collected_at=WHEN,
    settled_at=WHEN,
    contract_version="1.0.0",
    agreement_id="medicaid_2026",
    agreement_version="2",
    state=State.PARTLY_ACCEPTED,
    # 1,000 = 600 + 380 + 7 + 13
    account=Account(12, 1000, loaded=600, unchanged=380, quarantined=7, duplicate=13),
    causes=(CAUSE,),
    decision=None,
    earlier=None,
    contact="Data team, data@example.org",
)


class Page(HTMLParser):
    """The page's elements and its text."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_page_says_what_happened_why_and_what_to_do() -> None:
    text = Page(render_html(RECEIPT)).text
    for said in (
        "7 of 1,000 rows need correction",
        "Out of range",
        "DOB",
        "12, 40–44",
        "Correct the value.",
        "1900-01-02 to the end of the period",
        "60.0%",
        "data@example.org",
        "eligibility_202606.txt",
        "June 2026",
    ):
        assert said in text, said


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_headline_and_a_next_step_and_renders(state: State) -> None:
    earlier = Earlier(3, "eligibility_202605.txt", WHEN) if state == State.DUPLICATE else None
    receipt = replace(RECEIPT, state=state, earlier=earlier)
    message = words.message_of(receipt)
    text = Page(render_html(receipt)).text
    assert message.headline in text
    assert message.steps
    assert all(step in text for step in message.steps)
    assert message.tone in {"good", "mixed", "bad", "quiet"}


def test_every_state_of_a_receipt_fits_the_published_schema() -> None:
    schema = yaml.safe_load((Path(render.__file__).parent / "receipt.schema.yaml").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    variants = [replace(RECEIPT, state=state) for state in State]
    variants += [
        replace(RECEIPT, account=None, causes=(), period=None, settled_at=None),
        replace(RECEIPT, decision=Decision("rejected", WHEN), earlier=Earlier(3, "x", WHEN)),
    ]
    for receipt in variants:
        validator.validate(json.loads(render_json(receipt)))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**as_plain(RECEIPT), "more": 1})


def test_names_from_outside_cannot_become_markup() -> None:
    hostile = "<script>alert(1)</script>\"'&"
    html = render_html(
        replace(
            RECEIPT,
            file_name=hostile,
            contact=hostile,
            partner_name=hostile,
            feed_title=hostile,
            causes=(replace(CAUSE, columns=(hostile,), expected=hostile, rule=hostile),),
        )
    )
    page = Page(html)
    assert not page.all("script")
    assert hostile in page.text
    assert b"<script" not in html


def test_the_page_stands_by_itself() -> None:
    page = Page(render_html(RECEIPT))
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "object", "form"}
    # The one link leads to the findings file that lies beside it.
    assert [link["href"] for link in page.all("a")] == ["./eligibility_202606.txt.d12.receipt.csv"]
    for tag, attributes in page.elements:
        assert not {"src", "srcset", "action", *({"href"} if tag != "a" else ())} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert "url(" not in page.text
    policy = next(m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert str(policy["content"]).startswith("default-src 'none'")


def test_the_link_leads_beside_the_page_whatever_the_file_is_called() -> None:
    name = 'javascript:x/../"><b>?#%20&.csv'
    [link] = Page(render_html(replace(RECEIPT, file_name=name))).all("a")
    assert link["href"] is not None
    assert urlsplit(link["href"])[:2] == ("", "")
    assert unquote(link["href"]) == f"./{name}.d12.receipt.csv"
    assert not re.search(r"[^A-Za-z0-9._~%/-]", link["href"])


def test_rows_that_came_corrected_need_nothing_more() -> None:
    some = Page(render_html(replace(RECEIPT, corrected=3))).text
    assert "4 of 1,000 rows need correction" in some
    assert "Of the rows set aside, 3 rows have come corrected" in some
    every = replace(RECEIPT, corrected=7)
    assert words.message_of(every).tone == "good"
    assert "need correction" not in Page(render_html(every)).text


def test_the_page_can_be_read_by_everyone() -> None:
    page = Page(render_html(replace(RECEIPT, decision=Decision("approved", WHEN))))
    assert page.all("html") == [{"lang": "en"}]
    assert any(m.get("name") == "viewport" for m in page.all("meta"))
    headings = [tag for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    assert all(int(b[1]) - int(a[1]) <= 1 for a, b in itertools.pairwise(headings))
    assert len(page.all("table")) == len(page.all("caption"))
    assert all("scope" in cell for cell in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        assert attributes.get("aria-labelledby", ids[0]) in ids
    bar = next(attributes for attributes in page.all("div") if attributes.get("role") == "img")
    assert bar["aria-label"] == "Taken in 60.0%, Known already 38.0%, Set aside 0.7%, Repeated 1.3%"


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_text_has_enough_contrast_in_light_and_dark() -> None:
    style = render_html(RECEIPT).decode().split("* { box-sizing")[0]
    for scheme in style.split("@media (prefers-color-scheme: dark)"):
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", scheme))
        pairs = [("ink", "paper"), ("soft", "paper"), ("soft", "ground"), ("bad", "paper"), ("mixed", "paper")]
        pairs += [(tone, f"{tone}-bg") for tone in ("good", "mixed", "bad", "quiet")] + [("ink", "quiet-bg")]
        for text, ground in pairs:
            assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for fate in ("loaded", "unchanged", "quarantined", "duplicate", "undecided"):
            assert _contrast(colours[fate], colours["paper"]) >= 3, fate


def test_equal_receipts_render_to_equal_bytes_in_any_time_zone() -> None:
    local = WHEN.astimezone(timezone(timedelta(hours=-7)))
    elsewhere = replace(RECEIPT, collected_at=local, settled_at=local)
    assert render_html(RECEIPT) == render_html(elsewhere)
    assert render_json(RECEIPT) == render_json(elsewhere)


@pytest.mark.parametrize(
    ("ranges", "unlisted", "shown", "on_demand"),
    [
        ([(5, 5)], 0, "5", None),
        ([(5, 9), (11, 11)], 3, "5–9, 11", "and 3 more lines"),
        ([(10 * n, 10 * n) for n in range(1, 15)], 0, "10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120", "130, 140"),
    ],
)
def test_lines_are_named_compactly_and_the_rest_is_counted(
    ranges: list[tuple[int, int]], unlisted: int, shown: str, on_demand: str | None
) -> None:
    cause = replace(CAUSE, ranges=tuple(LineRange(*r) for r in ranges), unlisted=unlisted)
    text = Page(render_html(replace(RECEIPT, causes=(cause,)))).text
    assert f"Lines: {shown} " in text
    if on_demand:
        assert on_demand in text
    else:
        assert "more line" not in text


def test_a_page_stays_small_however_many_lines_there_are() -> None:
    spread = tuple(LineRange(2 * n, 2 * n) for n in range(1, 5_001))
    causes = tuple(replace(CAUSE, ranges=spread, count=10**6, unlisted=10**6 - 5_000) for _ in range(40))
    assert len(render_html(replace(RECEIPT, causes=causes))) < 250_000


@pytest.mark.parametrize(
    ("percent", "shown"),
    [(0, "0%"), (100, "100%"), (0.0004, "under 0.1%"), (99.99, "over 99.9%"), (12.34, "12.3%")],
)
def test_shares_never_round_something_to_nothing(percent: float, shown: str) -> None:
    assert words.share(percent) == shown


@pytest.mark.parametrize(
    ("severity", "scope", "effect"),
    [
        ("critical", "row", "Rows set aside"),
        ("warning", "row", "Values left empty"),
        ("critical", "file", "Concerns the whole file"),
        ("warning", "file", "For your information"),
    ],
)
def test_effects(severity: str, scope: str, effect: str) -> None:
    assert words.effect_of(replace(CAUSE, severity=severity, scope=scope)) == effect


def test_no_value_is_said_to_be_left_empty_where_several_rows_do_not_fit_together() -> None:
    assert words.effect_of(replace(CAUSE, code="KB-R12", severity="warning")) == "Rows taken as they are"
    assert words.effect_of(replace(CAUSE, code="KB-R12", severity="critical")) == "Rows set aside"


def test_one_row_is_not_one_rows() -> None:
    one: Any = replace(RECEIPT, account=Account(12, 1, quarantined=1), causes=(replace(CAUSE, count=1),))
    text = Page(render_html(one)).text
    assert "1 of 1 row needs correction" in text
    assert "1 rows" not in text
