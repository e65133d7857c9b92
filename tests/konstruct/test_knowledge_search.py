"""Search over the real database: what is found by words in any language, by vectors that are put in, and by both."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from konstruct.knowledge.sources import SourceSettings
from konstruct.knowledge.words import fold
from konstruct.tables import KnowledgeChunk
from tests.support.library import SITE, SITEMAP, chunk_ids, content, fill, find, long, place
from tests.support.office import Office, open_office


@pytest.mark.parametrize(
    ("says", "asked"),
    [
        ("Bicycles are returned within 30 days.", "returning a bicycle?"),
        ("Order the pump KB-2207/X today.", "kb2207x"),
        ("Order the pump KB-2207/X today.", "is 2207-x there"),
        ("Speicher 500GB, neu", "500 gb"),
        ("Die Rückgabefrist beträgt zwei Wochen.", "ruckgaben moglich?"),
        ("La cancelación es gratuita.", "CANCELACION"),
        ("退货期限为十四天。", "怎么退货"),
        ("返品は十四日以内です。", "返品したい"),
        ("ค่าจัดส่งฟรีเมื่อซื้อครบ", "จัดส่ง"),
        ("الإرجاع خلال أسبوعين", "الارجاع"),
        ("रिटर्न दो सप्ताह में", "रिटर्न कब"),
        ("İade süresi iki hafta", "iade suresi"),
        ("배송은 이틀 걸립니다", "배송이 언제"),
        ("Łódź, ul. Piotrkowska", "lodz"),
        ("Straße und Œuvre", "STRASSE oeuvre"),
    ],
)
async def test_words_are_found_however_they_are_written(office: Office, says: str, asked: str) -> None:
    await fill(office, "files", {"a": content(long(says), long("Quite another thing: zebras.")), "b": content("Tea.")})
    found = await find(office, asked)
    assert found
    assert found[0].text.startswith(says)
    assert all(each.score < found[0].score for each in found[1:])


@pytest.mark.parametrize("asked", ["", " ", "the", "what is it", "?!…", "🚲", "giraffe", "' \\ : | &", "\0", "\ud800"])
async def test_what_says_nothing_or_is_not_there_finds_nothing(office: Office, asked: str) -> None:
    await fill(office, "files", {"a": content("My zebra is what I have.")})
    assert await find(office, asked) == []


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=80) | st.text(alphabet="'\\:|&!()<->*\" \tabc123äß日🚲ก"))
async def test_nothing_that_is_written_or_asked_breaks_the_search(office: Office, text: str) -> None:
    fresh = await open_office(office.database, office.vault)
    says = f"Zebra {text} done".replace("\0", " ").encode("utf-8", "replace").decode()
    await fill(fresh, "files", {"a": content(says, title="T")})
    found = await find(fresh, f"{text} zebra " + "word " * 300)
    assert [each.text for each in found] == [chunk.text for chunk in await fresh.rows(KnowledgeChunk)]
    assert found


async def test_a_passage_says_where_it_is_from(office: Office) -> None:
    url = f"{SITE}/help"
    await fill(office, "help", {url: content("Bells ring.", title="Help", link=f"{url}#top")}, settings=SITEMAP)
    [found] = await find(office, "bell")
    assert (found.source_key, found.title, found.link) == ("help", "Help", f"{url}#top")
    assert (found.headings, found.page, found.is_trusted) == (("Part 0",), None, False)
    assert 0 < found.score <= 1


async def test_headings_and_titles_are_searched_too(office: Office) -> None:
    await fill(office, "files", {"a": content("Monday to Friday.", title="Opening hours"), "b": content("Tea.")})
    assert [each.title for each in await find(office, "when do you open")] == ["Opening hours"]


async def test_meaning_and_words_both_count_and_both_together_most(office: Office) -> None:
    texts = ["Red bicycle", "Blue velocipede", "Old bicycle", "Tea"]
    await fill(office, "files", {text: content(text, title=str(place)) for place, text in enumerate(texts)})
    ids = await chunk_ids(office)
    vectors = {"Red": [1.0, 0.0], "Blue": [1.0, 0.1], "Old": [0.0, 1.0], "Tea": [-1.0, 0.0]}
    await place(office, "m", {ids[word]: vector for word, vector in vectors.items()})
    found = await find(office, "bicycle", {"m": [1.0, 0.0]})
    assert found[0].text == "Red bicycle"
    assert {each.text for each in found[1:3]} == {"Blue velocipede", "Old bicycle"}
    assert 0 < found[3].score < 0.01
    assert [each.text for each in await find(office, "bicycle", {"m": [1.0, 0.0]}, floor=0.01)] == [
        each.text for each in found[:3]
    ]
    assert [each.text for each in await find(office, "the", {"m": [1.0, 0.0]}, at_most=1)] == ["Red bicycle"]


@pytest.mark.parametrize("exact_up_to", [20_000, 0])
async def test_each_model_is_asked_with_its_own_vector(office: Office, exact_up_to: int) -> None:
    await fill(office, "files", {text: content(text, title=text) for text in ("One", "Two", "Nought")})
    ids = await chunk_ids(office)
    await place(office, "m", {ids["One"]: [1.0, *[0.0] * 383], ids["Nought"]: [0.0] * 384})
    await place(office, "n", {ids["Two"]: [0.0, 1.0, 0.0]})
    asked = {"m": [1.0, *[0.0] * 383], "n": [0.0, 1.0, 0.0]}
    assert {each.text for each in await find(office, "", asked, exact_up_to=exact_up_to)} == {"One", "Two"}
    # A vector of another length than the model's is no question of it.
    assert await find(office, "", {"m": [1.0], "k": [1.0]}, exact_up_to=exact_up_to) == []


async def test_only_the_sources_that_may_be_searched_are(office: Office) -> None:
    for key in ("one", "two", "three"):
        await fill(office, key, {"a": content(f"Bells of {key}")})
    ids = await chunk_ids(office)

    async def keys(*wanted: str, asked: str = "bell") -> set[str]:
        vectors = {} if asked else {"m": [1.0, 0.0]}
        return {each.source_key for each in await find(office, asked, vectors, keys=wanted)}

    assert await keys("one", "three", "unknown") == {"one", "three"}
    assert await keys() == set()
    rows = {row.source_id: row.id for row in await office.rows(KnowledgeChunk)}
    await place(office, "m", {chunk_id: [1.0, 0.0] for chunk_id in rows.values()})
    assert await keys("two", asked="") == {"two"}
    assert len(ids) == 1


async def test_what_says_the_same_is_found_once_and_one_number_is_a_difference(office: Office) -> None:
    say = (
        "A tyre of 28 inches costs 30 euros, and is fitted while you wait by one of us, who will also look whether your"
        " brakes, lights and bell do what they should, for which we take nothing more."
    )
    await fill(office, "web", {"u": content(say, title="A")}, settings=SITEMAP)
    await fill(office, "mine", {"f": content(f"{say}!", title="A")}, settings=SourceSettings("files", is_trusted=True))
    await fill(office, "old", {"f": content(say.replace("30", "25"), title="A")})
    found = await find(office, "what does a tyre cost")
    assert sorted(each.source_key for each in found) == ["mine", "old"]
    assert [each.source_key for each in found if each.is_trusted] == ["mine"]
    assert [each.source_key for each in await find(office, "tyre cost", keys=["web"])] == ["web"]


async def test_tenants_find_their_own(office: Office) -> None:
    other = await open_office(office.database, office.vault)
    for each, name in ((office, "ours"), (other, "theirs")):
        await fill(each, "files", {"handbook.md": content(f"The bell is {name}", title="Handbook")})
        ids = await chunk_ids(each)
        await place(each, "m", {ids["The"]: [1.0, 0.0]})
    for vectors in ({}, {"m": [1.0, 0.0]}):
        assert [each.text for each in await find(office, "bell", vectors)] == ["The bell is ours"]
        assert [each.text for each in await find(other, "bell", vectors)] == ["The bell is theirs"]


def test_folding_leaves_out_what_people_leave_out() -> None:
    assert fold("Größe ÇA İstanbul ﬁn Ｆｕｌｌ") == "grosse ca istanbul fin full"
