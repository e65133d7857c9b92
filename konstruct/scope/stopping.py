"""Words by which somebody says that they want to hear nothing more. They count only where nothing else is written.

What people also answer with in an ordinary talk, such as *cancel*, *no* or *wait*, is not among them.
"""

import re
from functools import cache
from typing import Final

from konstruct.knowledge.words import fold
from konstruct.scope.languages import OTHERWISE

_WORDS: Final = {
    "en": "stop|stop all|stopall|unsubscribe|opt out|optout|stop messages|stop messaging me|stop texting me|remove me",
    "de": "stopp|abmelden|abbestellen|austragen|keine nachrichten mehr|stopp bitte|bitte stopp|bitte abmelden",
    "es": "baja|darme de baja|dar de baja|desuscribir|desuscribirme|cancelar suscripción|no más mensajes|parar mensajes",
    "fr": "arrêt|désabonner|désabonnement|me désabonner|désinscrire|plus de messages|arrêter les messages",
    "it": "disiscrivimi|disiscrivermi|annulla iscrizione|cancellami|niente più messaggi|basta messaggi",
    "pt": "parar|sair|descadastrar|cancelar inscrição|cancelar assinatura das mensagens|não quero mais mensagens|pare",
    "nl": "afmelden|uitschrijven|geen berichten meer|stop berichten",
    "tr": "ret|durdur|abonelikten çık|abonelikten ayrıl|mesaj istemiyorum|mesajları durdur",
    "pl": "wypisz|wypisz mnie|rezygnuję|koniec wiadomości|anuluj subskrypcję",
    "ru": "стоп|отписаться|отпишите меня|отписка|не пишите мне",
    "ar": "توقف|إيقاف|إلغاء الاشتراك|أوقف الرسائل",
    "hi": "स्टॉप|बंद करो|बंद करें|सदस्यता रद्द करें|संदेश बंद करें",
    "zh": "停止|退订|退訂|取消订阅|取消訂閱|不要再发|不要再發",
    "ja": "停止|配信停止|ストップ|登録解除|購読解除",
    "ko": "중지|수신거부|수신 거부",
}
_LONGEST: Final = 60
"""Characters of a message that may be one of them."""


def opts_out(text: str) -> str | None:
    """The language in which it asks to be left alone; None when it does not. Where several have the word, the first."""
    return _languages().get(_bare(text)) if len(text) <= _LONGEST else None


@cache
def _languages() -> dict[str, str]:
    found: dict[str, str] = {}
    for language, words in _WORDS.items():
        for word in words.split("|"):
            found.setdefault(_bare(word), language if language != "ko" else OTHERWISE)
    return found


def _bare(text: str) -> str:
    """Without case, accents and whatever is no letter."""
    return " ".join(re.sub(r"[^\w\u0900-\u097f]|_", " ", fold(text)).split())
