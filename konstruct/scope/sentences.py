"""What contacts are told without a model: what a connection is for, that a person can be had, and that they are left
alone from now on. In the languages that ``languages`` tells apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from konstruct.scope.languages import OTHERWISE


@dataclass(frozen=True)
class Sentences:
    person: str
    """What is written, or pressed, to be given a person; at most 20 characters, as WhatsApp takes them."""
    only: str
    """What the connection is for. It asks nothing, or else what comes next would pass for an answer."""
    opted_out: str


SENTENCES: Final = {
    "en": Sentences(
        "Talk to a person",
        "I can only help with this here: {functions}. If you would rather have a person, just write “{person}”.",
        "You will get no more messages from us here. If you want to hear from us again, just write.",
    ),
    "de": Sentences(
        "Mit Mensch sprechen",
        "Ich kann hier nur dabei helfen: {functions}. Wenn du lieber einen Menschen möchtest, schreib einfach „{person}“.",
        "Du bekommst hier keine Nachrichten mehr von uns. Wenn du wieder etwas hören möchtest, schreib uns einfach.",
    ),
    "es": Sentences(
        "Hablar con alguien",
        "Aquí solo puedo ayudar con esto: {functions}. Si prefieres hablar con una persona, escribe «{person}».",
        "Ya no recibirás más mensajes nuestros aquí. Si quieres volver a recibirlos, escríbenos.",
    ),
    "fr": Sentences(
        "Parler à quelqu'un",
        "Ici, je peux seulement aider pour ceci : {functions}. Pour parler à une personne, écrivez « {person} ».",
        "Vous ne recevrez plus de messages de notre part ici. Pour en recevoir à nouveau, écrivez-nous simplement.",
    ),
    "it": Sentences(
        "Parlare con qualcuno",
        "Qui posso aiutare solo con questo: {functions}. Se preferisci una persona, scrivi «{person}».",
        "Non riceverai più messaggi da noi qui. Se vuoi riceverne di nuovo, basta scriverci.",
    ),
    "pt": Sentences(
        "Falar com uma pessoa",
        "Aqui só posso ajudar com isto: {functions}. Se preferir uma pessoa, escreva “{person}”.",
        "Você não receberá mais mensagens nossas aqui. Se quiser voltar a recebê-las, é só escrever.",
    ),
    "nl": Sentences(
        "Medewerker spreken",
        "Ik kan hier alleen hiermee helpen: {functions}. Wil je liever iemand spreken, schrijf dan “{person}”.",
        "Je krijgt hier geen berichten meer van ons. Wil je weer van ons horen, schrijf dan gewoon.",
    ),
    "tr": Sentences(
        "Temsilciye bağlan",
        "Burada yalnızca şu konularda yardımcı olabilirim: {functions}. Bir kişiyle görüşmek için “{person}” yazın.",
        "Size buradan artık mesaj göndermeyeceğiz. Yeniden almak isterseniz bize yazmanız yeterli.",
    ),
    "pl": Sentences(
        "Rozmowa z osobą",
        "Tutaj mogę pomóc tylko w tym: {functions}. Jeśli wolisz człowieka, napisz „{person}”.",
        "Nie dostaniesz już od nas tutaj wiadomości. Jeśli znów zechcesz je dostawać, po prostu napisz.",
    ),
    "ru": Sentences(
        "Нужен оператор",
        "Здесь я могу помочь только с этим: {functions}. Если вам нужен человек, напишите «{person}».",
        "Мы больше не будем писать вам здесь. Если захотите снова получать сообщения, просто напишите нам.",
    ),
    "ar": Sentences(
        "التحدث مع موظف",
        "يمكنني المساعدة هنا في ما يلي فقط: {functions}. إذا كنت تفضل التحدث مع شخص فاكتب «{person}».",
        "لن تصلك منا رسائل أخرى هنا. إذا أردت أن تصلك من جديد فاكتب إلينا.",
    ),
    "hi": Sentences(
        "इंसान से बात करें",
        "मैं यहाँ केवल इसमें मदद कर सकता हूँ: {functions}। किसी व्यक्ति से बात करने के लिए “{person}” लिखें।",
        "अब आपको यहाँ हमारी ओर से कोई संदेश नहीं मिलेगा। फिर से पाने के लिए बस हमें लिखें।",
    ),
    "zh": Sentences(
        "转人工客服",
        "我在这里只能帮助处理以下事项：{functions}。如需人工服务，请回复“{person}”。",
        "您将不会再在这里收到我们的消息。如果想重新接收，给我们发消息即可。",
    ),
    "ja": Sentences(
        "担当者と話したい",
        "こちらでお手伝いできるのは次のことだけです：{functions}。担当者をご希望の場合は「{person}」とお書きください。",
        "今後こちらからメッセージをお送りすることはありません。再びご希望の場合は、メッセージをお送りください。",
    ),
}


def only(language: str, functions: Sequence[str]) -> str:
    """Of a request that the connection is not for."""
    chosen = in_language(language)
    return chosen.only.format(functions="; ".join(functions), person=chosen.person)


def in_language(language: str) -> Sentences:
    return SENTENCES.get(language, SENTENCES[OTHERWISE])
