"""How somebody sounds, and whether they say that an answer did not help, told by words alone.

Coarse: it is what is left when no model can be asked. It knows English and German, and the plainest words of French,
Spanish, Portuguese and Italian.
"""

import re
from functools import cache
from typing import Final

from konstruct.escalation.facts import Mood
from konstruct.knowledge.words import fold

LONGEST: Final = 4_000
"""Characters of a text that are looked at."""
FEWEST_SHOUTED: Final = 3
"""Words in capitals that make a shout, if nothing else is said."""

_ANGRY: Final = (
    "fuck\\w*|bullshit|asshole|idiots?|stupid|morons?|scam|scammers?|rip off|ridiculous|unacceptable|outrageous|disgusting"
    "|furious|fed up|pissed off|sick of (?:this|you|it)|worst (?:service|company|support)|hate (?:you|this|your)|screw you"
    "|sue you|my lawyer|how dare you|damn it|useless (?:bot|idiot)|liars?"
    "|scheiss\\w*|arschloch|idioten|bloed\\w*|blod\\w*|unverschamt\\w*|frechheit|betruger|betrug|abzocke|verarsch\\w*|inakzeptabel"
    "|unfassbar|zum kotzen|saftladen|anwalt|wutend|unerhort|mir reicht s|mir reichts|schnauze voll"
    "|merde|connards?|arnaque|inadmissible|inacceptable|honteux|scandaleux|furieux|furieuse"
    "|mierda|estafa|estafadores|inaceptable|verguenza|indignante|furiosa|furioso|idiota|imbecil"
    "|merda|inaceitavel|absurdo|ridiculo|palhacada|cazzo|vergogna|vergognoso|truffa|inaccettabile"
)
_NEGATIVE: Final = (
    "disappointed|disappointing|frustrat(?:ed|ing)|annoy(?:ed|ing)|unhappy|bad|terrible|awful|horrible|poor|upset|sad|useless"
    "|waste of time|broken again|complain|complaint|confus(?:ed|ing)|not (?:<1>)(?:good|happy|helpful|ok|satisfied|pleased|acceptable)"
    "|isn t <1>(?:good|helpful|ok)|wasn t <1>(?:good|helpful)|angry|too long|still waiting"
    "|enttauscht\\w*|enttauschend\\w*|schlecht\\w*|schlimm\\w*|argerlich|verargert|unzufrieden|frustriert|nervt|nervig|traurig|beschwerde"
    "|beschweren|mies\\w*|schrecklich|nicht <1>(?:gut|zufrieden|hilfreich|ok|okay|glucklich)|warte immer noch|sauer"
    "|decue?|mecontente?|nul|nulle|mauvais|mauvaise|enerve|pas content|triste|decepcionad[oa]|molest[oa]|mal servicio|pesim[oa]"
    "|insatisfech[oa]|frustrad[oa]|chatead[oa]|pessim[oa]|ruim|delus[oa]|pessimo|insoddisfatt[oa]|arrabbiat[oa]"
)
_GOOD: Final = (
    "thanks|thank you|great|awesome|perfect|excellent|wonderful|love it|amazing|brilliant|helpful|happy|nice|good|cheers|fantastic"
    "|danke|vielen dank|super|toll|prima|perfekt|klasse|wunderbar|ausgezeichnet|hilfreich|freut mich|gut"
    "|merci|parfait|genial|super|gracias|perfecto|excelente|genial|obrigad[oa]|perfeito|otimo|grazie|perfetto|ottimo|fantastico"
)
_NEGATION: Final = "not|no|never|isn t|wasn t|nothing|nicht|kein|keine|nie|pas|non|nada|sin|nao"
_FAILED: Final = (
    "(?:doesn t|does not|didn t|did not|don t|isn t|not|never|doesnt|didnt) <1>(?:work|working|help|helped|helpful|what i (?:asked|meant|wanted)"
    "|my question|answer(?:ing)? (?:my|the) question|correct|true|right|understand(?:ing)?)"
    "|that s (?:wrong|not it|incorrect)|(?:is|was) (?:wrong|incorrect)|wrong answer|still (?:broken|the same|nothing|not|doesn t|no)"
    "|again the same|same answer|already (?:told|said|tried|asked|did)|i just (?:told|said|asked)|you misunderst(?:and|ood)|tried that"
    "|(?:hilft|half|funktioniert|geht|klappt|stimmt|passt) <2>nicht|das ist falsch|falsche antwort|habe ich (?:schon|bereits|doch)"
    "|hab ich (?:schon|bereits|doch)|immer noch nicht|immer noch das gleiche|nicht meine frage|du verstehst|sie verstehen mich nicht"
    "|nicht gefragt|ne (?:marche|fonctionne) (?:pas|toujours pas)|pas ma question|c est faux|toujours pas|deja (?:dit|essaye)"
    "|no (?:funciona|sirve|me ayuda|es correcto)|sigue sin|ya (?:lo )?(?:dije|probe|intente)|nao (?:funciona|ajudou)|continua sem|ja (?:disse|tentei)"
    "|non (?:funziona|aiuta|e corretto)|ancora non|gia (?:detto|provato)"
)


def mood(text: str) -> Mood:
    """A word of anger outweighs all others, and one of displeasure those of thanks."""
    words = _words(text)
    is_loud = "!!" in text or _shouts(text)
    if _holds(_ANGRY, words):
        return "angry"
    if _holds(_NEGATIVE, words):
        return "angry" if is_loud else "negative"
    if _holds(_GOOD, words):
        return "good"
    return "negative" if _shouts(text) else "neutral"


def says_it_failed(text: str) -> bool:
    return _expression(_FAILED).search(_words(text)) is not None


def _holds(expression: str, words: str) -> bool:
    """Anywhere but right after what denies it."""
    return any(
        not _expression(_NEGATION).search(_before(words, found)) for found in _expression(expression).finditer(words)
    )


def _before(words: str, found: "re.Match[str]") -> str:
    return f" {' '.join(words[: found.start()].split()[-2:])} "


def _shouts(text: str) -> bool:
    words = [word for word in re.findall(r"[^\W\d_]{2,}", text[:LONGEST]) if word.upper() != word.lower()]
    return len(words) >= FEWEST_SHOUTED and all(word.isupper() for word in words)


def _words(text: str) -> str:
    words = re.sub(r"[^\w]+", " ", fold(text[:LONGEST]))
    return f" {' '.join(words.split())} "


@cache
def _expression(words: str) -> "re.Pattern[str]":
    return re.compile(f"(?<= )(?:{words.replace('<1>', '(?:[^ ]+ )?').replace('<2>', '(?:[^ ]+ ){0,2}')})(?= )")
