"""A plan on a terminal, as HTML and beside another plan."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console
from sample_plan import infeasible_plan, sample_plan

from planner.answer.plan import Deployment, LeftOut, Plan
from planner.catalog import Catalog
from planner.errors import InputError
from planner.report import console, diff_rows, diff_table, html_page
from planner.report.catalog import KINDS, list_rows, list_table, show_dict, show_table
from planner.report.format import status_words
from planner.report.summary import cost_lines, headline, left_out_groups, served_requests, shares, unique_names

VOID = {"meta", "rect", "br"}


def printed(what: object, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(what)
    return out.getvalue()


class Page(HTMLParser):
    """Collects tags and attributes, and checks that every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("plan", [sample_plan(), infeasible_plan()], ids=["plan", "none"])
@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(plan: Plan, width: int) -> None:
    assert max(len(line) for line in printed(console(plan), width).splitlines()) <= width


def test_the_terminal_says_all_that_matters() -> None:
    plan = sample_plan()
    text = " ".join(printed(console(plan)).split())
    for part in (
        plan.answer,
        "optimal within the gap · gap 0.04%",
        "verified",
        "260 × hgx_h800",
        "412 requests/s",
        "$137 million",
        "-$212,000 per day",
        "-$1.31 million per MW",
        "without hgx_h800 (+7%)",
        "chips.mtt_s5000_liquid.tdp_w = 700 W",
        "cooling air_crah is not among those of the site: sgx5000 with air_crah at guizhou, hgx_b300",
        "412,331",
        "HiGHS",
        "Tariff of cn_west",
    ):
        assert part in text, part


def test_the_terminal_explains_where_there_is_no_plan() -> None:
    text = " ".join(printed(console(infeasible_plan())).split())
    assert "no plan can exist" in text
    assert "Finishing pretrain in 60 days takes at least 2.4 MW" in text
    assert "Raise the power at guizhou from 0.5 to 2.4 MW." in text
    assert "Deployments" not in text


def test_a_plan_that_was_not_verified_says_so() -> None:
    plan = sample_plan().model_copy(update={"verified": False})
    assert "NOT verified" in printed(console(plan))
    assert "not verified" in html_page(plan)


def test_markup_in_names_is_text_on_a_terminal() -> None:
    plan = sample_plan("[bold red]x[/] \x1b[31m").model_copy(update={"answer": "[link=http://a]b[/link]"})
    text = printed(console(plan))
    assert "[bold red]x[/]" in text
    assert "[link=http://a]b[/link]" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("plan", [sample_plan(), infeasible_plan()], ids=["plan", "none"])
def test_the_page_is_whole_and_needs_nothing_from_elsewhere(plan: Plan) -> None:
    text = html_page(plan)
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert not {"script", "img", "link", "iframe", "object", "form"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {"src", "href"} & names
    assert not [name for name in names if name.startswith("on")]
    assert "http://" not in text
    assert "https://" not in text
    assert ("lang", "en") in page.attributes
    assert plan.answer in "".join(page.words)


def test_the_page_draws_where_it_goes() -> None:
    page = Page(html_page(sample_plan()))
    assert page.tags.count("svg") == 2 + 2 * 2  # cost, power; time and memory of two deployments
    spoken = [value for name, value in page.attributes if name == "aria-label"]
    assert spoken[0] is not None
    assert spoken[0].startswith("Cost over the horizon: Systems 61%")


def test_everything_on_the_page_is_escaped() -> None:
    bad = "<script>alert('x')</script>\"&"
    plan = sample_plan(bad, variant=bad)
    d = plan.deployments[0]
    hostile = d.model_copy(
        update=dict.fromkeys(("workload", "site", "system", "chip", "cooling", "interconnect", "precision"), bad)
        | {"cost": d.cost.model_copy(update={"lines_usd": {bad: 1.0}})}
    )
    left = plan.left_out[0].model_copy(update={"option": bad, "reason": bad})
    plan = plan.model_copy(
        update={"answer": bad, "notes": (bad,), "deployments": (hostile, plan.deployments[1]), "left_out": (left,)}
    )
    text = html_page(plan)
    assert "script" not in Page(text).tags
    assert "<script" not in text
    assert "alert(&#x27;x&#x27;)" in text


def test_shares_keep_the_whole() -> None:
    parts = {f"p{i}": float(i) for i in range(30)}
    shown = shares(parts, at_most=6)
    assert len(shown) == 6
    assert sum(s.value for s in shown) == sum(parts.values())
    assert sum(s.fraction for s in shown) == pytest.approx(1)
    assert shown[-1].name == "Other"


def test_cost_lines_of_all_deployments_sum_to_the_total() -> None:
    plan = sample_plan()
    assert plan.totals is not None
    assert sum(cost_lines(plan).values()) == pytest.approx(plan.totals.tco_usd)


def test_key_figures_come_from_the_totals() -> None:
    facts = {name: value for name, value, _ in headline(sample_plan())}
    assert facts == {
        "Chips": "2,816",
        "Power at the meter": "3.56 MW",
        "Capital": "$117M",
        "Total over 4 years": "$137M",
        "Done after": "57.3 days",
        "Served": "412 req/s",
        "Gap to the bound": "0.04%",
    }


def test_prefill_and_decode_apart_serve_what_the_slower_serves() -> None:
    plan = sample_plan()
    api = plan.deployments[1]

    def part(role: str, requests: float) -> Deployment:
        predicted = api.predicted.model_copy(update={"requests_per_s": requests})
        return api.model_copy(update={"role": role, "predicted": predicted})

    plan = plan.model_copy(update={"deployments": (part("prefill", 21.0), part("decode", 30.0), part("serve", 4.0))})
    assert served_requests(plan, "api") == 25.0
    assert {name: value for name, value, _ in headline(plan)}["Served"] == "25 req/s"


def test_deployments_are_told_apart() -> None:
    d = sample_plan().deployments[0]
    later = d.model_copy(update={"period": "2027-10"})
    other = d.model_copy(update={"system": "hgx_h20"})
    assert unique_names((d, other)) == ("pretrain at guizhou on hgx_h800", "pretrain at guizhou on hgx_h20")
    assert len(set(unique_names((d, later, other, d)))) == 4


def test_reasons_that_differ_in_numbers_are_one_group() -> None:
    groups = left_out_groups(sample_plan().left_out)
    assert [len(options) for _, options in groups] == [2, 2, 1]


def test_a_group_with_several_figures_says_that_it_shows_the_first() -> None:
    days = [LeftOut(option=o, reason=f"{n} days at best, 10 asked") for o, n in (("a", 533), ("b", 520))]
    ((reason, options),) = left_out_groups(days)
    assert (reason[:27], options) == ("533 days at best, 10 asked ", ("a", "b"))
    assert "the others have figures of their own" in reason
    assert left_out_groups(days[:1]) == (("533 days at best, 10 asked", ("a",)),)


def test_a_comparison_marks_what_differs_and_only_that() -> None:
    same = diff_rows((sample_plan(), sample_plan()))
    assert same
    assert not any(r.differs for r in same)
    rows = {(r.section, r.name): r for r in diff_rows((sample_plan(), sample_plan(chips=1024)))}
    assert rows["Totals", "Chips"].values == ("2,816", "1,792")
    assert rows["Totals", "Chips"].differs
    assert not rows["Answer", "Scenario"].differs
    text = printed(diff_table((sample_plan(), sample_plan(chips=1024)), ("a", "b")))
    assert "1,792" in text
    assert "DeepSeek-V3 pre-training" not in text


def test_a_comparison_with_no_plan_still_reads() -> None:
    rows = {r.name: r for r in diff_rows((sample_plan(), infeasible_plan())) if r.section == "Answer"}
    known = "no plan can exist with the figures that are known"  # hardware is left out that nobody priced
    assert rows["Status"].values == ("optimal within the gap", known)
    every = infeasible_plan().model_copy(update={"left_out": ()})
    assert status_words(every) == "no plan can exist"


def test_the_catalog_is_listed_and_shown(shipped: Catalog) -> None:
    for kind in KINDS:
        rows = list_rows(shipped, kind)
        assert rows, kind
        text = printed(list_table(kind, rows[:30]))
        assert max(len(line) for line in text.splitlines()) <= 80, kind
        assert str(rows[0]["id"])[:20] in text
    nvidia = list_rows(shipped, "chips", "nvidia")
    assert {r["vendor"] for r in nvidia} == {"NVIDIA"}
    with pytest.raises(InputError, match="unknown vendor"):
        list_rows(shipped, "chips", "nvidai")
    with pytest.raises(InputError, match="unknown kind"):
        list_rows(shipped, "chip")


def test_one_record_is_shown_with_every_source(shipped: Catalog) -> None:
    data = show_dict(shipped, "h800_sxm")
    assert data["figures"]["bf16_fp16_tflops_dense"]["value"] == 989.4
    assert all(f["source"] and f["kind"] for f in data["figures"].values())
    text = printed(show_table(shipped, "h800_sxm"))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "989.4 TFLOPS" in text or "989.4 tflops" in text
    assert "unknown" in text
    assert "Sources" in text
    assert "671 B, active" in printed(show_table(shipped, "deepseek-v3"))
    with pytest.raises(InputError, match="h800") as error:
        show_dict(shipped, "h800_smx")
    assert re.search("h800", str(error.value))
