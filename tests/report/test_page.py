"""The page, and what a browser makes of it with the network off."""

import csv
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pybigtools
import pytest

from hexamer.errors import InputError, OutputError
from hexamer.genome import Genome
from hexamer.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
COUNT = 10_000
EVIL = "<img/src=x/onerror=window.XSS='{}'>"


@pytest.fixture(scope="module")
def results(tmp_path_factory, fasta):
    """10,000 variants, a region of mutagenesis and a track, as commands write them."""
    folder = tmp_path_factory.mktemp("results")
    draw = np.random.default_rng(0)
    with Genome(fasta) as genome:
        bases = genome.fetch("20", 0, 4000)
    places = np.sort(draw.integers(1, 4000, COUNT))
    refs = [bases[pos - 1] for pos in places]
    alts = [draw.choice([b for b in "ACGT" if b != ref]) for ref in refs]
    table = pd.DataFrame(
        {"chrom": "chr20", "pos": places, "id": [f"rs{i}" for i in range(COUNT)], "ref": refs, "alt": alts}
    )
    table = table.assign(llr=draw.normal(size=COUNT), l2=draw.random(COUNT), reason="")
    table.loc[5, ["llr", "l2", "reason"]] = [np.nan, np.nan, "star"]
    table.loc[7, "id"] = "</script><b>&\"'"
    table.loc[0, "id"] = EVIL.format("id")
    table.insert(7, EVIL.format("score.x"), draw.random(COUNT))
    table.to_csv(folder / "v.tsv", sep="\t", index=False, quoting=csv.QUOTE_NONE)
    facts = {"command": ["/home/ann/bin/hexamer", "score-variants", "/home/ann/secret/calls.vcf"], "made": "2026-01-01"}
    facts |= {"genome": {"path": str(fasta), "bytes": fasta.stat().st_size}}
    facts |= {"model": {"source": "/home/ann/m/tiny", "files": {"w": "abcdef0123"}}}
    (folder / "v.tsv.manifest.json").write_text(json.dumps(facts))
    rows = [
        ("r", "20", pos, bases[pos - 1], alt, draw.normal(), "")
        for pos in range(101, 141)
        for alt in "ACGT"
        if alt != bases[pos - 1]
    ]
    columns = ["name", "chrom", "pos", "ref", "alt", "llr", "reason"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "satmut.tsv", sep="\t", index=False)
    values = [("20", i, i + 1, float(draw.random())) for i in range(50, 300)]
    pybigtools.open(str(folder / "t.entropy.bw"), "w").write({"20": 9000}, iter(values))
    rows = [
        f'20\tx\texon\t{s}\t{e}\t.\t+\t.\tgene_id "g"; transcript_id "t"; gene_name "GENE1";'
        for s, e in ((60, 160), (200, 300))
    ]
    (folder / "g.gtf").write_text("\n".join(rows) + "\n")
    (folder / "notes.txt").write_text("x")
    return folder


@pytest.fixture(scope="module")
def page(results, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report.html"
    gtf = results / "g.gtf"
    return write_report([results], out, annotation=gtf, title="A <title>"), out


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.ids, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]


def test_a_page_holds_everything(page):
    report, out = page
    text = out.read_text()
    assert report.size == out.stat().st_size < 10_000_000
    assert [title.partition(":")[0] for title in report.sections] == ["Variants", "Saturation mutagenesis"]
    assert sorted(each.path.name for each in report.skipped) == ["g.gtf", "notes.txt"]
    reader = Reader()
    reader.feed(text)
    assert len(reader.ids) == len(set(reader.ids))
    images = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert images
    assert all(each["src"].startswith("data:") and len(each["alt"]) > 20 for each in images)
    for tag, attributes in reader.tags:
        for name in ("src", "href"):
            if tag != "img" and attributes.get(name):
                assert attributes[name].startswith(("#", "data:")), attributes[name]


def test_a_page_tells_no_folder_and_runs_no_name(page, results):
    text = page[1].read_text()
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)  # what others wrote names addresses
    assert "/home/ann" not in own
    assert str(results) not in own
    assert "hexamer score-variants calls.vcf" in own
    assert "tiny abcdef01" in own
    assert "<title>A &lt;title&gt;</title>" in own
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)
    assert data is not None
    found = json.loads(data[1])["variants"]["variants-0"]
    assert found["id"][7] == "</script><b>&\"'"
    assert len(found["pos"]) == COUNT
    assert found["gene"][int(np.argmax(np.array(found["pos"]) >= 100))] == "GENE1"


def test_a_page_without_a_genome_has_no_browser(results, tmp_path):
    (tmp_path / "s.tsv").write_text("chrom\tpos\tref\talt\tllr\treason\n20\t5\tA\tC\t-1\t\n")
    write_report([tmp_path / "s.tsv"], tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "In the genome" not in text
    assert len(text) < 1_000_000


def test_mistakes(results, tmp_path):
    with pytest.raises(OutputError, match=r"r\.pdf: a report is written as \.html"):
        write_report([results], tmp_path / "r.pdf")
    with pytest.raises(InputError, match=r"nothing to show \(.*notes\.txt: not a kind of file"):
        write_report([results / "notes.txt"], tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium whose only way out is a proxy that is not there."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("NO BROWSER: chromium and chromedriver are not installed; the report was not tried in one")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--proxy-server=127.0.0.1:9",
        "--window-size=1280,1000", f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def shown(browser, page):
    from selenium.webdriver.support.wait import WebDriverWait

    browser.get("data:,")
    browser.get_log("performance")
    browser.get(page[1].as_uri())
    WebDriverWait(browser, 60).until(lambda each: each.execute_script("return document.body.dataset.browser"))
    browser.execute_script("document.documentElement.style.scrollBehavior = 'auto'")
    return browser


def first_row(browser):
    row = "document.querySelector('.tabulator-row')"
    return browser.execute_script(
        f"return [...{row}.querySelectorAll('.tabulator-cell')].map((cell) => cell.textContent)"
    )


def wait_for_count(browser, count):
    from selenium.webdriver.support.wait import WebDriverWait

    told = "return document.querySelector('[data-count]').textContent"
    WebDriverWait(browser, 10).until(lambda each: each.execute_script(told).startswith(f"{count} of"))


def test_no_request_leaves_and_nothing_is_wrong(shown):
    messages = [json.loads(line["message"])["message"] for line in shown.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("data:", "blob:", "file:", "chrome:"))] == []
    assert sum(url.startswith("file:") for url in asked) == 1
    assert [line for line in shown.get_log("browser") if line["level"] == "SEVERE"] == []


def test_the_table_sorts_is_searched_and_saved(shown):
    table = "const table = report.tables['variants-0'];"
    headers = shown.execute_script(
        "return [...document.querySelectorAll('.tabulator-col-title')].map((e) => e.textContent)"
    )
    assert headers == ["chrom", "pos", "gene", "id", "ref", "alt", "llr", "l2", EVIL.format("score.x"), "reason"]
    head = shown.find_element("css selector", '.tabulator-col[tabulator-field="llr"]')
    found = []
    for _ in range(2):
        head.click()
        found.append(first_row(shown)[6])
        known = shown.execute_script(f"{table} return table.getData('active').map((row) => row.llr)")
        assert known[-1] is None  # what is missing stands last
    low, high = (float(text.replace("−", "-")) for text in found)
    assert low < -3 < 3 < high
    search = shown.find_element("css selector", "[data-search]")
    for text, count in (("rs77", "111"), ("20:100-300 star", "0"), ("chr20:1-4,000 star", "1")):
        search.clear()
        search.send_keys(text)
        wait_for_count(shown, count)
    search.clear()
    search.send_keys(" ")
    shown.execute_script(f"{table} table.clearFilter()")


def test_the_browser_draws_its_tracks(shown):
    told = EVIL.format("score.x").replace("<", "‹").replace(">", "›").replace("'", "′")
    names = shown.execute_script("return report.browser.trackViews.map((view) => view.track.name)")
    assert [name for name in names if name][:5] == ["genes", "variants", "llr", "l2", told]
    assert names[-2:] == ["importance,\xa0satmut.tsv", "t.entropy"]
    shown.execute_script("report.browser.search('20:101-140')")
    # What is drawn: pixels of each track's canvas that are neither clear nor white.
    drawn = """
    return Object.fromEntries(report.browser.trackViews.filter((view) => view.track.name).map((view) => {
      const canvas = view.viewports[0].canvas;
      if (!canvas || !canvas.width || !canvas.height) return [view.track.name, 0];
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      let count = 0;
      for (let i = 0; i < pixels.length; i += 4) {
        if (pixels[i + 3] && pixels[i] + pixels[i + 1] + pixels[i + 2] < 700) count++;
      }
      return [view.track.name, count];
    }));
    """
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(shown, 30).until(lambda each: all(count > 20 for count in each.execute_script(drawn).values()))


def test_no_text_of_the_data_runs(shown, page):
    assert "unsafe-inline" not in re.search(r"script-src ([^;]*);", page[1].read_text())[1]
    search = shown.find_element("css selector", "[data-search]")
    search.send_keys("onerror=window.XSS='id'")  # shows its row
    wait_for_count(shown, 1)
    assert first_row(shown)[3] == EVIL.format("id")
    search.clear()
    search.send_keys(" ")
    assert shown.execute_script("return window.XSS") is None


def test_a_click_on_a_row_goes_there(shown):
    shown.execute_script("report.tables['variants-0'].setSort('pos', 'asc')")
    shown.execute_script("document.querySelector('.tabulator-row .tabulator-cell').click()")
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(shown, 10).until(lambda each: "At chr20:" in each.find_element("id", "told").text)
    place = shown.execute_script("return report.browser.referenceFrameList[0].getLocusString()")
    assert place.startswith("20:1-")
