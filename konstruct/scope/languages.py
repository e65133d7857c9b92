"""The language that somebody writes, as far as it takes to answer them with a sentence that is there already."""

import re
from typing import Final

from konstruct.knowledge.words import fold

OTHERWISE: Final = "en"

# The first that is found decides: Japanese is written with Chinese characters as well.
_SCRIPTS: Final = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("zh", re.compile("[\u3400-\u9fff]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
)
_LETTERS: Final = {
    "de": "ß",
    "es": "ñ¿¡",
    "pt": "ãõ",
    "fr": "œêù",
    "tr": "ğış",
    "pl": "łąęśżź",
}
# Words that one of these languages has and the others have not, or hardly.
_WORDS: Final = {
    "en": "a in of from about there out the and you is are i my me what how can do does please for to of it have write with was were who when hello this that your",
    "de": "der die das ich ist und ein eine mir mein wie was kann bitte nicht fur schreib schreibe wer den dem zu mit auf hallo ihr habt wo welche welcher welches seit hilft bei konnt gibt es",
    "es": "el la los que un una es mi por para como cual quien puedo quiero hola escribe escribeme dame hay cuando donde gracias y en del me",
    "fr": "le la les est un une je tu vous mon ma des du que qui quel quelle pour dans bonjour ecris moi comment puis pas avec et quoi sur toutes tes ce au en sont il dessine cree",
    "it": "il lo la gli che un una e mi per come chi quale posso vorrei ciao scrivi scrivimi di del quando dove grazie sono della ho quanto quali come a ci le si",
    "pt": "o a os que um uma e me meu minha por para como qual quem posso quero ola escreva faz do da quando onde obrigado nao voce em de",
    "nl": "de het een ik is mijn hoe wat kan voor van niet wie schrijf hallo met en op waar wanneer graag jullie naar maak dat",
    "tr": "bir ve bu mi mu icin ne nasil kim benim bana nerede merhaba lutfen yaz var hangi ile da de misin",
    "pl": "i w na jest to mi nie czy jak co kto dla sie z do moj prosze napisz dzien dobry gdzie kiedy jaka jaki",
}
_SETS: Final = {language: frozenset(words.split()) for language, words in _WORDS.items()}


def language_of(text: str) -> str:
    """One of those that there are sentences in; English where it is none of them, or nobody can tell."""
    for language, letters in _SCRIPTS:
        if letters.search(text):
            return language
    words = re.findall(r"[^\W\d_]+", fold(text))
    lowered = text.lower()
    points = {
        language: sum(word in known for word in words) + 2 * any(each in lowered for each in _LETTERS.get(language, ""))
        for language, known in _SETS.items()
    }
    best = max(points.values())
    return OTHERWISE if best in (0, points[OTHERWISE]) else next(each for each in points if points[each] == best)
