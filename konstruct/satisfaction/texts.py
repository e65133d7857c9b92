"""What contacts are asked, and how they are thanked, in the languages that ``scope.languages`` tells apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from konstruct.scope import sentences
from konstruct.scope.languages import OTHERWISE

PREFIX: Final = "rating:"
"""With it begin the ids of buttons that answer the question."""
SCORES: Final = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Texts:
    question: str
    scale: str
    """Below the tenant's own question, too: how it is answered."""
    thanks: str


TEXTS: Final[Mapping[str, Texts]] = {
    "en": Texts("How did we do?", "Answer with a number from 1 (bad) to 5 (very good).", "Thank you for your rating!"),
    "de": Texts(
        "Wie zufrieden sind Sie mit unserer Hilfe?",
        "Antworten Sie mit einer Zahl von 1 (schlecht) bis 5 (sehr gut).",
        "Danke für Ihre Bewertung!",
    ),
    "es": Texts(
        "¿Qué tal te hemos ayudado?",
        "Responde con un número del 1 (mal) al 5 (muy bien).",
        "¡Gracias por tu valoración!",
    ),
    "fr": Texts(
        "Êtes-vous satisfait de notre aide ?",
        "Répondez par un chiffre de 1 (mauvais) à 5 (très bien).",
        "Merci pour votre note !",
    ),
    "it": Texts(
        "Come ti abbiamo aiutato?", "Rispondi con un numero da 1 (male) a 5 (molto bene).", "Grazie per la valutazione!"
    ),
    "pt": Texts(
        "Como foi a nossa ajuda?",
        "Responda com um número de 1 (ruim) a 5 (muito boa).",
        "Obrigado pela avaliação!",
    ),
    "nl": Texts(
        "Hoe hebben we je geholpen?",
        "Antwoord met een cijfer van 1 (slecht) tot 5 (heel goed).",
        "Bedankt voor je beoordeling!",
    ),
    "tr": Texts(
        "Size nasıl yardımcı olduk?",
        "1 (kötü) ile 5 (çok iyi) arasında bir sayıyla yanıtlayın.",
        "Değerlendirmeniz için teşekkürler!",
    ),
    "pl": Texts(
        "Jak oceniasz naszą pomoc?",
        "Odpowiedz liczbą od 1 (źle) do 5 (bardzo dobrze).",
        "Dziękujemy za ocenę!",
    ),
    "ru": Texts("Как мы вам помогли?", "Ответьте числом от 1 (плохо) до 5 (очень хорошо).", "Спасибо за вашу оценку!"),
    "ar": Texts("كيف كانت مساعدتنا لك؟", "أجب برقم من 1 (سيئة) إلى 5 (جيدة جدًا).", "شكرًا على تقييمك!"),
    "hi": Texts("हमारी मदद कैसी रही?", "1 (खराब) से 5 (बहुत अच्छी) तक किसी अंक में उत्तर दें।", "आपकी रेटिंग के लिए धन्यवाद!"),
    "zh": Texts("您对我们的帮助满意吗？", "请回复 1（差）到 5（非常好）之间的数字。", "感谢您的评价！"),
    "ja": Texts(
        "ご対応はいかがでしたか。",
        "1（悪い）から5（とても良い）の数字でお答えください。",
        "評価をありがとうございます。",
    ),
}


def in_language(language: str) -> Texts:
    return TEXTS.get(language, TEXTS[OTHERWISE])


def question(own: str, language: str) -> str:
    """``own``: what the tenant asks instead of ours; empty where it has no words of its own."""
    texts = in_language(language)
    return f"{own.strip() or texts.question}\n{texts.scale}"


def buttons(rating_id: UUID) -> list[dict[str, str]]:
    """As a message's ``detail`` has them."""
    return [{"id": f"{PREFIX}{rating_id}:{score}", "title": f"{score} {'★' * score}"} for score in SCORES]


def person_button(language: str) -> dict[str, Any]:
    """Below the thanks for a bad rating, where a person can be asked for by it."""
    return {"buttons": [{"id": "person", "title": sentences.in_language(language).person}]}
