"""Words that tell a kind of request in many languages, and those of an emergency, which is let through whatever it says.

Expressions are looked for in text without case, accents and apostrophes, and with one space between words.
"""

import re
from functools import cache
from typing import Final

from konstruct.knowledge.words import fold

_CUES: Final = {
    "homework": (
        r"home ?work\b|\bhw\b|hausaufgabe|schulaufgabe|\bdeberes\b|\btarea (?:de|del)\b|devoirs?\b (?:de|d) |compiti (?:di|per)"
        r"|dever de casa|licao de casa|huiswerk|\bodev(?:i|im)|واجب|होमवर्क|गृहकार्य|作业|作業|宿題|домашн\w+ задани|домашк|zadani\w* domow"
        r"|\bequation\b|gleichung|ecuacion|equazion|\bequacao|denklem|معادل|समीकरण|方程|уравнени|rownani|\bintegral\b|\bderivative"
        r"|\balgebra\b|for (?:my|a|the) \w+ (?:class|test|exam)\b|fur (?:die|den|meine) (?:schule|\w*unterricht)|per la scuola|pour (?:l|mon) (?:ecole|cours)\b"
    ),
    "coding": (
        r"\bpython\b|\bjava ?script\b|\bjava\b|\bphp\b|\bsql\b|\bhtml\b|\bcss\b|c\+\+|\bc#|\bruby\b|\brust\b|\breact\b|\bregex\b|\bbash\b"
        r"|linked list|\balgorithm|पायथन|जावा|بايثون|питон"
    ),
    "writing": (
        r"\bpoem|\bhaiku|\bessay|\blyrics|\brap about|\bsonnet|\bgedicht|\baufsatz|bewerbung(?:sschreiben)?\b|\bpoema|\bensayo|\bpoeme|dissertation"
        r"|lettre de motivation|\bpoesia|\bredacao|\bsiir|kompozisyon|قصيد|कविता|निबंध|诗|詩|作文|俳句|стих|сказк|wiersz|\bwypracowani"
        r"|tell me a joke|erzahl\w* (?:mir )?einen witz|cuentame un chiste|conte uma piada|fikra anlat|نكت"
    ),
    "translation": (
        r"\btranslat(?:e|ion of)\b|\bubersetz|\btraduc(?:e|ir)\b|\btradui(?:s|re|sez)\b|\btraduci|\btraduz|\bvertaal|cevir\b|ترجم|अनुवाद|翻译|翻譯|翻訳"
        r"|перевед|przetlumacz"
    ),
    "companion": (
        r"role ?play|rollenspiel|juego de rol|jeu de role|gioco di ruolo|\b(?:be|as) my (?:girl|boy)friend|like a girlfriend|bedtime story|\bfidanzata\b|petite amie"
        r"|\bnovia\b|namorada|sevgilim|女朋友|彼女になって"
    ),
    "advice": (
        r"\bcrypto|\bkripto|\bcripto|bitcoin|\bstocks?\b (?:to|should|now)|aktien\b|\bacciones\b|\bacoes\b|株を|股票|शेयर बाज|акци[ий]\b"
    ),
    "images": (
        r"(?:generate|create|draw|make|paint)\b.{0,20}\b(?:picture|image|logo|portrait|cartoon|meme)\b|(?:erstell|mal|zeichne)\w*\b.{0,12}\b(?:bild|logo)\b"
        r"|(?:genera|crea|dibuja|dessine|disegna|desenh)\w*.{0,16}(?:imag|dragon|\bgat)|ارسم|画一|絵を描|нарисуй|narysuj"
    ),
    "jailbreak": (
        r"system ?prompt|initial prompt|hidden (?:prompt|instruction)|chat ?gpt|\bdan\b has no|act as dan|you are now dan|no restrictions|without (?:any )?restrictions"
        r"|(?:ignore|disregard|forget)\b (?:all |any |the |your )*(?:previous|prior|above|earlier)? ?(?:instruction|rule|guideline|prompt)s?\b"
        r"|guidelines do not exist|developer mode|jailbreak|(?:ignorier|vergiss)\w*\b.{0,20}(?:anweisung|regel)|ohne regeln"
        r"|(?:ignora|olvida)\b.{0,20}(?:instrucciones|reglas|regole|istruzioni)|oublie\b.{0,16}(?:regles|instructions)"
        r"|(?:ignore|esqueca)\b.{0,16}(?:instrucoes|regras)|negeer\b.{0,16}(?:instructies|regels)|(?:talimat|kural)\w* (?:unut|yok say)"
        r"|تجاهل.{0,12}(?:التعليمات|القواعد)|(?:निर्देश|नियम).{0,12}(?:भूल|अनदेखा)|系统提示|(?:忘记|忽略).{0,8}(?:规则|指令)"
        r"|(?:指示|ルール).{0,8}(?:無視|忘れ)|(?:игнорируй|забудь)\b.{0,16}(?:инструкци|правил)"
    ),
}
_EMERGENCY: Final = (
    r"\bambulance|\bemergency|\baccident\b|\bbleed|\bcrashed\b|\bon fire\b|\bfire!|\bsmoke\b|\bgas leak|smell of gas|unconscious|collapsed|can t breathe|hardly breathe"
    r"|heart attack|\boverdos|\bsuicid|kill myself|want to die|hurt myself|being (?:attacked|followed)|knocked out (?:his|her|my)"
    r"|\bnotfall|krankenwagen|\bnotarzt|\bunfall\b|\bblute(?:t|n)?\b|\bbrennt\b|umbringen|nicht mehr leben|selbstmord|bewusstlos"
    r"|emergencia|ambulancia|accidente|sangra|incendio|suicid|matarme|urgence|pompiers|saigne|incendie|me tuer|emergenza|ambulanza|incidente"
    r"|sanguin|uccidermi|ambulancia|acidente|sangrando|me matar|noodgeval|ziekenwagen|ongeluk|bloed(?:t|en)\b|zelfmoord|\bacil\b|ambulans|yangin"
    r"|kaniyor|intihar|طوار[ىئ]|إسعاف|اسعاف|حريق|نزيف|حادث|انتحار|एम्बुलेंस|आपातकाल|दुर्घटना|आत्महत्या|खून बह|救护车|急救|着火|火灾|出血|车祸|自杀"
    r"|救急車|火事|緊急|事故|自殺|死にたい|скор(?:ая|ую) помощь|пожар|кровь|авари[яю]|самоуби|покончить с собой|karetk|pozar|wypadek|krwawi|samoboj"
)


@cache
def _compiled() -> tuple[dict[str, re.Pattern[str]], re.Pattern[str]]:
    return {kind: re.compile(fold(cues)) for kind, cues in _CUES.items()}, re.compile(fold(_EMERGENCY))


def told(text: str) -> frozenset[str]:
    """The kinds of request that the words of a text tell of."""
    plain = _plain(text)
    return frozenset(kind for kind, cues in _compiled()[0].items() if cues.search(plain))


def is_emergency(text: str) -> bool:
    return _compiled()[1].search(_plain(text)) is not None


def _plain(text: str) -> str:
    return " ".join(re.sub("['’]", " ", fold(text)).split())
