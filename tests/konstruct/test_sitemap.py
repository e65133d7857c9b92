"""What sitemaps say, and what they cannot do to their reader."""

import gzip

import pytest

from konstruct.errors import BadInput, Unreadable
from konstruct.knowledge import sitemap
from konstruct.knowledge.sitemap import DEEPEST, MOST_BYTES, MOST_PAGES, MOST_SITEMAPS, Sitemap, Walk, read

NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
SITE = "https://www.example.com"


def urlset(*urls: str, namespace: str = NAMESPACE) -> bytes:
    body = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {namespace}>{body}</urlset>'.encode()


def index(*urls: str) -> bytes:
    body = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f"<sitemapindex {NAMESPACE}>{body}</sitemapindex>".encode()


def test_pages_are_addresses_without_what_stands_around_them() -> None:
    found = read(
        f"""<urlset {NAMESPACE}>
          <url><loc> {SITE}/a?b=1&amp;c=2#d </loc><lastmod>2026-11-01T10:00:00+02:00</lastmod></url>
          <url><lastmod>2026-10-01</lastmod><priority>0.5</priority><loc><![CDATA[{SITE}/ü]]></loc></url>
          <url><loc>{SITE}/c</loc></url>
          <url><lastmod>2026-10-01</lastmod></url>
        </urlset>""".encode()
    )
    assert found == Sitemap((f"{SITE}/a?b=1&c=2", f"{SITE}/ü", f"{SITE}/c"))


@pytest.mark.parametrize("namespace", ["", 'xmlns="http://www.google.com/schemas/sitemap/0.84"'])
def test_the_namespace_does_not_matter(namespace: str) -> None:
    assert read(urlset(SITE, namespace=namespace)).pages == (SITE,)


def test_addresses_of_pictures_are_no_pages() -> None:
    found = read(
        f"""<urlset {NAMESPACE} xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
          <url><loc>{SITE}/a</loc><image:image><image:loc>{SITE}/a.png</image:loc></image:image></url>
          <url><image:loc>{SITE}/b.png</image:loc><loc>{SITE}/b</loc><image:loc>{SITE}/c.png</image:loc></url>
        </urlset>""".encode()
    )
    assert list(found.pages) == [f"{SITE}/a", f"{SITE}/b"]


@pytest.mark.parametrize(
    "content",
    [
        urlset(SITE),
        gzip.compress(urlset(SITE), mtime=0),
        b"\xef\xbb\xbf" + urlset(SITE),
        b"\n  " + urlset(SITE).removeprefix(b'<?xml version="1.0" encoding="UTF-8"?>\n'),
        urlset(SITE).decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        urlset(SITE).decode().replace("UTF-8", "ISO-8859-1").encode("latin-1"),
        f"{SITE}\n".encode(),
        f"\ufeff\r\n {SITE}#top \r\nnot an address\r\n".encode(),
        gzip.compress(SITE.encode(), mtime=0),
    ],
)
def test_ways_to_write_the_same(content: bytes) -> None:
    assert read(content) == Sitemap((SITE,))


def test_an_index_names_further_sitemaps() -> None:
    assert read(index("https://a.example/1.xml", "/2.xml")).sitemaps == ("https://a.example/1.xml", "/2.xml")


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><urlset><url><loc>&l9;</loc></url></urlset>', "DOCTYPE"),
        ('<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><urlset><url><loc>&f;</loc></url></urlset>', "DOCTYPE"),
        ('<!DOCTYPE urlset SYSTEM "https://x.example/x.dtd"><urlset/>', "DOCTYPE"),
        ("<!doctype html><html></html>", "no well-formed XML"),
        ("<!DOCTYPE html><html></html>", "DOCTYPE"),
        ("<html><body>Not here</body></html>", "begins with <html>"),
        ("<rss></rss>", "begins with <rss>"),
        (f"<urlset><url><loc>{SITE}</loc></url>", "no well-formed XML"),
        ("<urlset><url><loc>&nbsp;</loc></url></urlset>", "no well-formed XML"),
        ('<?xml version="1.0" encoding="konstruct"?><urlset/>', "encoding|well-formed"),
        ('<?xml version="1.0" encoding="shift_jis"?><urlset/>', "encoding|well-formed"),
        ("", "no sitemap"),
        ("hello\nthere", "no sitemap"),
        ("\x1f\x8b", "no sitemap"),
    ],
)
def test_what_is_no_sitemap_or_a_harmful_one(content: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read(content.encode())


def test_what_looks_packed_and_is_not() -> None:
    with pytest.raises(Unreadable, match="cannot be unpacked"):
        read(b"\x1f\x8bnonsense")


def test_one_that_unfolds_without_end_is_not_unpacked_whole() -> None:
    with pytest.raises(Unreadable, match="50 MB"):
        read(gzip.compress(bytes(MOST_BYTES + 1)))


def test_not_more_pages_than_one_may_hold() -> None:
    assert len(read(urlset(*(f"{SITE}/{n}" for n in range(MOST_PAGES + 1)))).pages) == MOST_PAGES
    assert len(read("\n".join(f"{SITE}/{n}" for n in range(MOST_PAGES + 1)).encode()).pages) == MOST_PAGES


@pytest.mark.parametrize(
    "url", ["/a", "ftp://www.example.com/", "javascript:alert(1)", "https://", "https://[::1/", f"{SITE}/{'x' * 3000}"]
)
def test_what_is_no_address_of_a_page_is_left_out(url: str) -> None:
    assert read(urlset(url, SITE)).pages == (SITE,)


def walk(site: dict[str, bytes], *starts: str, named: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    """What is fetched, and the pages that are found."""
    walking, fetched = Walk(SITE, starts, named), []
    while (url := walking.next()) is not None:
        fetched.append(url)
        if url in site:
            walking.take(site[url])
        else:
            walking.leave()
    return fetched, walking.pages


def test_a_walk_goes_through_all_sitemaps_once() -> None:
    site = {
        f"{SITE}/index.xml": index("/one.xml", f"{SITE}/two.xml", f"{SITE}/missing.xml", f"{SITE}/index.xml"),
        f"{SITE}/one.xml": urlset(f"{SITE}/a", f"{SITE}/b"),
        f"{SITE}/two.xml": urlset(f"{SITE}/b", f"{SITE}/c"),
    }
    fetched, pages = walk(site, f"{SITE}/index.xml")
    assert fetched == [f"{SITE}/{name}.xml" for name in ("index", "one", "two", "missing")]
    assert pages == [f"{SITE}/{name}" for name in "abc"]


def test_a_site_speaks_for_its_own_pages_alone() -> None:
    content = urlset(
        f"{SITE}/a",
        "http://WWW.example.com:80/b",
        "https://example.com/c",
        "https://www.example.com:8443/d",
        "https://www.example.com.evil.example/e",
        "https://www.example.com@evil.example/f",
        "http://169.254.169.254/g",
    )
    _, pages = walk({f"{SITE}/s.xml": content}, f"{SITE}/s.xml")
    assert pages == [f"{SITE}/a", "http://WWW.example.com:80/b"]


def test_an_index_does_not_lead_to_other_sites() -> None:
    site = {
        f"{SITE}/s.xml": index(
            "https://evil.example/s.xml", "//evil.example/t.xml", "https://[::1/", "file:///etc/passwd"
        )
    }
    assert walk(site, f"{SITE}/s.xml") == ([f"{SITE}/s.xml"], [])


def test_a_sitemap_elsewhere_counts_if_robots_names_it() -> None:
    elsewhere = "https://cdn.example"
    site = {
        f"{elsewhere}/s.xml": index(f"{elsewhere}/t.xml", "https://evil.example/s.xml"),
        f"{elsewhere}/t.xml": urlset(f"{SITE}/a", f"{elsewhere}/b"),
    }
    fetched, pages = walk(site, named=(f"{elsewhere}/s.xml",))
    assert (fetched, pages) == ([f"{elsewhere}/s.xml", f"{elsewhere}/t.xml"], [f"{SITE}/a"])
    with pytest.raises(BadInput, match=r"not on www\.example\.com"):
        Walk(SITE, [f"{elsewhere}/s.xml"])


def test_what_robots_names_and_is_no_address_is_passed_over() -> None:
    named = ("ftp://www.example.com/s.xml", "https://[::1/s.xml", "/s.xml")
    assert walk({}, named=named) == ([f"{SITE}/s.xml"], [])


@pytest.mark.parametrize("start", ["", "s.xml", "ftp://www.example.com/s.xml", "https://[::1/s.xml"])
def test_what_is_no_address_is_no_start(start: str) -> None:
    with pytest.raises(BadInput):
        Walk(SITE, [start], ["ftp://www.example.com/"])


def test_a_walk_does_not_go_deeper_and_deeper() -> None:
    site = {f"{SITE}/{n}.xml": index(f"{SITE}/{n + 1}.xml") for n in range(10)}
    assert len(walk(site, f"{SITE}/0.xml")[0]) == DEEPEST


def test_a_walk_ends_however_many_sitemaps_there_are() -> None:
    site = {f"{SITE}/s.xml": index(*(f"{SITE}/{n}.xml" for n in range(MOST_SITEMAPS * 2)))}
    assert len(walk(site, f"{SITE}/s.xml")[0]) == MOST_SITEMAPS


def test_a_walk_ends_when_it_has_pages_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemap, "MOST_PAGES", 3)
    site = {f"{SITE}/{n}.xml": urlset(f"{SITE}/{n}/a", f"{SITE}/{n}/b") for n in range(5)}
    fetched, pages = walk(site, *site)
    assert (len(fetched), len(pages)) == (2, 3)


def test_a_sitemap_that_cannot_be_read_does_not_end_the_walk() -> None:
    walking = Walk(SITE, [f"{SITE}/a.xml", f"{SITE}/b.xml"])
    with pytest.raises(Unreadable):
        walking.take(b"nonsense")
    assert walking.next() == f"{SITE}/b.xml"


def test_no_more_lines_are_read_than_a_plain_sitemap_may_have() -> None:
    with pytest.raises(Unreadable, match="neither XML nor a list"):
        sitemap.read(b"ab\n" * sitemap.MOST_LINES + b"https://example.com/late\n")


def test_a_sitemap_of_elements_without_end_is_put_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemap, "MOST_ELEMENTS", 100)
    with pytest.raises(Unreadable, match="far more than its pages"):
        sitemap.read(b"<urlset>" + b"<url/>" * 101 + b"</urlset>")
