"""What contacts are told without a model: what a connection is for, that a person can be had, that they are left
alone from now on, that the answer comes later, and that nothing answers. In the languages that ``languages`` tells apart.
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
    later: str
    """That nobody answers now, and somebody will."""
    kept: str
    """That nothing answers here, and people can."""


SENTENCES: Final = {
    "en": Sentences(
        "Talk to a person",
        "I can only help with this here: {functions}. If you would rather have a person, just write “{person}”.",
        "You will get no more messages from us here. If you want to hear from us again, just write.",
        "Thank you for your message. I cannot answer it right now, but it is not lost: I will answer here as soon as I can.",
        "Thank you for your message. I cannot answer here at the moment, but it is kept, and our team can read it.",
    ),
    "de": Sentences(
        "Mit Mensch sprechen",
        "Ich kann hier nur dabei helfen: {functions}. Wenn du lieber einen Menschen möchtest, schreib einfach „{person}“.",
        "Du bekommst hier keine Nachrichten mehr von uns. Wenn du wieder etwas hören möchtest, schreib uns einfach.",
        "Danke für deine Nachricht. Ich kann gerade nicht antworten, aber sie geht nicht verloren: Ich antworte hier, sobald ich kann.",
        "Danke für deine Nachricht. Ich kann hier zurzeit nicht antworten, aber sie ist da, und unser Team kann sie lesen.",
    ),
    "es": Sentences(
        "Hablar con alguien",
        "Aquí solo puedo ayudar con esto: {functions}. Si prefieres hablar con una persona, escribe «{person}».",
        "Ya no recibirás más mensajes nuestros aquí. Si quieres volver a recibirlos, escríbenos.",
        "Gracias por tu mensaje. Ahora mismo no puedo responder, pero no se pierde: responderé aquí en cuanto pueda.",
        "Gracias por tu mensaje. Por el momento no puedo responder aquí, pero queda guardado y nuestro equipo puede leerlo.",
    ),
    "fr": Sentences(
        "Parler à quelqu'un",
        "Ici, je peux seulement aider pour ceci : {functions}. Pour parler à une personne, écrivez « {person} ».",
        "Vous ne recevrez plus de messages de notre part ici. Pour en recevoir à nouveau, écrivez-nous simplement.",
        "Merci pour votre message. Je ne peux pas répondre pour le moment, mais il n'est pas perdu : je répondrai ici dès que possible.",
        "Merci pour votre message. Je ne peux pas répondre ici pour l'instant, mais il est conservé et notre équipe peut le lire.",
    ),
    "it": Sentences(
        "Parlare con qualcuno",
        "Qui posso aiutare solo con questo: {functions}. Se preferisci una persona, scrivi «{person}».",
        "Non riceverai più messaggi da noi qui. Se vuoi riceverne di nuovo, basta scriverci.",
        "Grazie per il messaggio. Ora non posso rispondere, ma non va perso: risponderò qui appena posso.",
        "Grazie per il messaggio. Al momento non posso rispondere qui, ma resta conservato e il nostro team può leggerlo.",
    ),
    "pt": Sentences(
        "Falar com uma pessoa",
        "Aqui só posso ajudar com isto: {functions}. Se preferir uma pessoa, escreva “{person}”.",
        "Você não receberá mais mensagens nossas aqui. Se quiser voltar a recebê-las, é só escrever.",
        "Obrigado pela sua mensagem. Não posso responder agora, mas ela não se perde: responderei aqui assim que puder.",
        "Obrigado pela sua mensagem. No momento não posso responder aqui, mas ela fica guardada e a nossa equipe pode lê-la.",
    ),
    "nl": Sentences(
        "Medewerker spreken",
        "Ik kan hier alleen hiermee helpen: {functions}. Wil je liever iemand spreken, schrijf dan “{person}”.",
        "Je krijgt hier geen berichten meer van ons. Wil je weer van ons horen, schrijf dan gewoon.",
        "Bedankt voor je bericht. Ik kan nu niet antwoorden, maar het gaat niet verloren: ik antwoord hier zodra ik kan.",
        "Bedankt voor je bericht. Ik kan hier op dit moment niet antwoorden, maar het is bewaard en ons team kan het lezen.",
    ),
    "tr": Sentences(
        "Temsilciye bağlan",
        "Burada yalnızca şu konularda yardımcı olabilirim: {functions}. Bir kişiyle görüşmek için “{person}” yazın.",
        "Size buradan artık mesaj göndermeyeceğiz. Yeniden almak isterseniz bize yazmanız yeterli.",
        "Mesajınız için teşekkürler. Şu anda yanıt veremiyorum ama mesajınız kaybolmadı: en kısa sürede buradan yanıtlayacağım.",
        "Mesajınız için teşekkürler. Şu sıralar burada yanıt veremiyorum ama mesajınız saklandı ve ekibimiz okuyabilir.",
    ),
    "pl": Sentences(
        "Rozmowa z osobą",
        "Tutaj mogę pomóc tylko w tym: {functions}. Jeśli wolisz człowieka, napisz „{person}”.",
        "Nie dostaniesz już od nas tutaj wiadomości. Jeśli znów zechcesz je dostawać, po prostu napisz.",
        "Dziękuję za wiadomość. Nie mogę teraz odpowiedzieć, ale ona nie przepadnie: odpowiem tutaj, gdy tylko będę w stanie.",
        "Dziękuję za wiadomość. Obecnie nie mogę tutaj odpowiedzieć, ale jest ona zachowana i nasz zespół może ją przeczytać.",
    ),
    "ru": Sentences(
        "Нужен оператор",
        "Здесь я могу помочь только с этим: {functions}. Если вам нужен человек, напишите «{person}».",
        "Мы больше не будем писать вам здесь. Если захотите снова получать сообщения, просто напишите нам.",
        "Спасибо за сообщение. Сейчас я не могу ответить, но оно не потеряется: я отвечу здесь, как только смогу.",
        "Спасибо за сообщение. Сейчас я не могу ответить здесь, но оно сохранено, и наша команда может его прочитать.",
    ),
    "ar": Sentences(
        "التحدث مع موظف",
        "يمكنني المساعدة هنا في ما يلي فقط: {functions}. إذا كنت تفضل التحدث مع شخص فاكتب «{person}».",
        "لن تصلك منا رسائل أخرى هنا. إذا أردت أن تصلك من جديد فاكتب إلينا.",
        "شكرًا على رسالتك. لا يمكنني الرد الآن، لكنها محفوظة، وسأرد هنا في أقرب وقت.",
        "شكرًا على رسالتك. لا يمكنني الرد هنا في الوقت الحالي، لكنها محفوظة ويمكن لفريقنا قراءتها.",
    ),
    "hi": Sentences(
        "इंसान से बात करें",
        "मैं यहाँ केवल इसमें मदद कर सकता हूँ: {functions}। किसी व्यक्ति से बात करने के लिए “{person}” लिखें।",
        "अब आपको यहाँ हमारी ओर से कोई संदेश नहीं मिलेगा। फिर से पाने के लिए बस हमें लिखें।",
        "आपके संदेश के लिए धन्यवाद। मैं अभी उत्तर नहीं दे सकता, पर आपका संदेश सुरक्षित है: जैसे ही हो सकेगा, यहीं उत्तर दूँगा।",
        "आपके संदेश के लिए धन्यवाद। फ़िलहाल मैं यहाँ उत्तर नहीं दे सकता, पर आपका संदेश सुरक्षित है और हमारी टीम उसे पढ़ सकती है।",
    ),
    "zh": Sentences(
        "转人工客服",
        "我在这里只能帮助处理以下事项：{functions}。如需人工服务，请回复“{person}”。",
        "您将不会再在这里收到我们的消息。如果想重新接收，给我们发消息即可。",
        "感谢您的消息。我现在无法回复，但消息已保存，我会尽快在这里回复您。",
        "感谢您的消息。我目前无法在这里回复，但消息已保存，我们的团队可以看到。",
    ),
    "ja": Sentences(
        "担当者と話したい",
        "こちらでお手伝いできるのは次のことだけです：{functions}。担当者をご希望の場合は「{person}」とお書きください。",
        "今後こちらからメッセージをお送りすることはありません。再びご希望の場合は、メッセージをお送りください。",
        "メッセージをありがとうございます。今はお答えできませんが、メッセージは残っています。できるだけ早くこちらでお答えします。",
        "メッセージをありがとうございます。現在こちらではお答えできませんが、メッセージは保存されており、担当チームが読むことができます。",
    ),
}


def only(language: str, functions: Sequence[str]) -> str:
    """Of a request that the connection is not for."""
    chosen = in_language(language)
    return chosen.only.format(functions="; ".join(functions), person=chosen.person)


def in_language(language: str) -> Sentences:
    return SENTENCES.get(language, SENTENCES[OTHERWISE])
