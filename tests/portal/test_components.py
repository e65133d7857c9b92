"""The components as HTML: what ties them together for those who hear the page, and that text stays text."""

import re
from datetime import UTC, datetime

import pytest

from portal.rendering import environment
from tests.support.vendored import CHECKOUT

EVIL = "<b onclick=x>\"'&"
ESCAPED = "&lt;b onclick=x&gt;&#34;&#39;&amp;"


def made(source: str, **context: object) -> str:
    return environment.from_string(source).render(context)


def test_every_component_is_told_of_in_the_documents() -> None:
    told = (CHECKOUT / "docs" / "portal.md").read_text()
    for name in vars(environment.globals["ui"]):
        assert re.search(rf"\b{name}\b", told), name


@pytest.mark.parametrize(
    "source",
    [
        "{{ ui.button(text) }}",
        "{{ ui.button(text, type='button', icon_name='plus', name='n', value=text, attrs={'data-x': text}) }}",
        "{{ ui.link_button(text, text, icon_after='arrow-right') }}",
        "{{ ui.icon_button(text, 'x') }}{{ ui.icon_link(text, 'x', text) }}",
        "{{ ui.action(text, text, fields={'id': text}) }}",
        "{{ ui.copy_button(text, text) }}{{ ui.copyable(text, text) }}{{ ui.code(text) }}{{ ui.kbd(text) }}",
        "{{ ui.field('n', text, text, hint=text, error=text, placeholder=text) }}",
        "{{ ui.field('n', text, text, type='password', hint=text) }}",
        "{{ ui.textarea('n', text, text, hint=text, error=text, placeholder=text) }}",
        "{{ ui.select('n', text, [(text, text)], text, hint=text, error=text) }}",
        "{{ ui.checkbox('n', text, value=text, hint=text, error=text) }}{{ ui.switch('n', text) }}",
        "{{ ui.radio_cards('n', text, [{'value': text, 'title': text, 'text': text}], text, error=text) }}",
        "{{ ui.error_summary({'n': text, '': text}) }}",
        "{% call ui.form_actions(text) %}{% endcall %}",
        "{{ ui.page_header(text, text) }}{% call ui.page_header(text) %}{{ text }}{% endcall %}",
        "{% call ui.card(text, text, action=text, footer=text) %}{{ text }}{% endcall %}",
        "{% call ui.table(text, [text, '']) %}<tr><td>{{ text }}</td></tr>{% endcall %}",
        "{{ ui.facts([(text, text)]) }}{{ ui.empty('bot', text, text) }}",
        "{{ ui.alert(text, text, 'ok') }}{% call ui.alert(text) %}{{ text }}{% endcall %}{{ ui.banner(text) }}",
        "{{ ui.badge(text) }}{{ ui.status(text, 'ok') }}{{ ui.avatar(text) }}{{ ui.prose(text) }}",
        "{{ ui.tabs([(text, text, true)]) }}{{ ui.tab_list([('a', text)]) }}",
        "{% call ui.tab_panel('a') %}{{ text }}{% endcall %}",
        "{{ ui.dialog_button(text, 'd') }}",
        "{% call ui.dialog('d', text, text) %}{{ ui.close_button(text, 'd') }}{% endcall %}",
        "{{ ui.confirm('d', text, text, text, text, fields={'id': text}) }}",
        "{{ ui.type_to_confirm('d', text, text, text, text, text, error=text) }}",
        "{% call ui.menu('m', text, text=text) %}{{ ui.menu_link(text, text) }}{% endcall %}",
        "{{ ui.menu_heading(text) }}",
        "{{ ui.menu_action(text, text, fields={'a': text}) }}{{ ui.menu_dialog(text, 'd') }}{{ ui.menu_line() }}",
        "{{ ui.stepper([(text, 'done'), (text, 'current')]) }}",
        "{{ ui.pagination(text, text) }}",
        "{{ ui.skeleton(2, text) }}",
        "{{ ui.breadcrumbs([(text, text), (text, '')]) }}",
        "{{ ui.icon('x', label=text) }}",
        "{{ ui.toast({'text': text, 'kind': 'error', 'undo': '/undo'}) }}",
    ],
)
def test_whatever_a_component_is_given_stays_text(source: str) -> None:
    html = made(source, text=EVIL)

    assert EVIL not in html
    assert "<b onclick" not in html
    assert ESCAPED in html or "avatar" in html
    # No attribute was broken out of: what is between the quotes holds no bare angle.
    assert not re.search(r'="[^"]*<[^"]*"', html)


def test_a_field_names_what_is_wrong_with_it_and_what_helps() -> None:
    html = made("{{ ui.field('name', 'Name', 'x', hint='As people see it.', error='Too short.', required=true) }}")

    assert '<label for="f-name">Name</label>' in html
    assert 'aria-describedby="f-name-error f-name-hint"' in html
    assert 'aria-invalid="true"' in html
    assert 'id="f-name-error"' in html
    assert 'id="f-name-hint"' in html
    plain = made("{{ ui.field('name', 'Name') }}")
    assert "aria-describedby" not in plain
    assert "aria-invalid" not in plain


@pytest.mark.parametrize("value", ["", None, 0, "0"])
def test_a_field_shows_nothing_for_nothing_and_a_nought_for_a_nought(value: object) -> None:
    html = made("{{ ui.field('n', 'N', value) }}", value=value)

    assert f'value="{"" if value is None else value}"' in html


def test_a_text_that_begins_with_an_empty_line_keeps_it() -> None:
    html = made("{{ ui.textarea('t', 'T', '\\nsecond') }}")

    # Browsers drop the first line feed after the tag.
    assert ">\n\nsecond</textarea>" in html


def test_several_checkboxes_of_one_name_have_ids_of_their_own() -> None:
    html = made("{{ ui.checkbox('tool', 'A', value='a') }}{{ ui.checkbox('tool', 'B', value='b') }}")

    assert 'id="f-tool-a"' in html
    assert 'id="f-tool-b"' in html


def test_a_moment_is_written_for_those_without_scripts_too() -> None:
    moment = datetime(2026, 11, 9, 7, 5, 3, tzinfo=UTC)

    relative = made("{{ ui.time(moment) }}", moment=moment)
    assert '<time datetime="2026-11-09T07:05:03+00:00" data-time="relative">9 Nov 2026, 07:05 UTC</time>' in relative
    assert ">9 Nov 2026</time>" in made("{{ ui.time(moment, 'date') }}", moment=moment)


def test_a_summary_leads_to_each_field_and_is_not_there_without_errors() -> None:
    assert made("{{ ui.error_summary({}) }}").strip() == ""
    html = made("{{ ui.error_summary({'name': 'Give it a name.', '': 'Somebody else saved it.'}) }}")

    assert '<a href="#f-name">Give it a name.</a>' in html
    assert "<li>Somebody else saved it.</li>" in html
