"""How people ask for a person, in the Germanic and Romance languages of Western Europe.

Expressions are matched against words with one space between them, without case and accents. ``<who>`` stands for the
tongue's people with what may stand before them, and ``<3>`` for up to three words of any kind.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Tongue:
    people: str
    """Whom they ask for."""
    asks: tuple[str, ...]
    """How they do; ``^`` and ``$`` are the ends of a clause."""
    before: str = ""
    """What may stand before ``people``: articles, and words such as *real*."""
    alone: str = ""
    """Whom they ask for when they write nothing else; without it the same as ``people``."""
    polite: str = ""
    """What may stand around that."""
    nots: str = ""
    """What turns the wish of a clause into its opposite."""
    is_spaced: bool = True


_TALK: Final = "(?:talk|speak|chat|deal|connect|connected|transferred|through|touch|contact|word|call) (?:to|with)"
_ENGLISH: Final = Tongue(
    people=(
        "(?:human being|human agent|human support|human help|human|person|agent|representative|rep|operator|advis[eo]r"
        "|manager|supervisor|team member|staff member|member of (?:staff|(?:your|the) team)|colleague|employee"
        "|specialist|customer (?:service|care|support)|support team|support|help ?desk|sales team|sales|receptionist"
        "|consultant|technician|real people|someone|somebody|anyone|anybody|one of your (?:people|colleagues|team))"
        "(?! (?:resources?|rights|body|anatomy|errors?|nature|history|rac(?:e|ing)|number|id|code|names?|fees?|list"
        "|e ?mails?|pages?|portal|policy|orange|of the year|like you|else s|s))"
    ),
    before="a|an|the|some|your|another|any|real|live|actual|living|proper|human|different|other|customer|service|sales",
    asks=(
        f"(?:i|we) <3>(?:want|wanna|need|prefer|demand|wish|rather|insist|like|love|gotta|must|asked|trying) <3>{_TALK} <who>",
        f"(?:can|could|may|can t|couldn t|cannot) (?:i|we|you|u) <3>{_TALK} <who>",
        f"(?:how (?:do|can|could|would) i|(?:do|need|take|takes) to|possible to|way to|chance to|let me|let us|lemme|allow me to) <3>{_TALK} <who>",
        "(?:connect|transfer|put|pass|redirect|forward|hand|switch|route|refer|patch|send|direct) (?:me|us|this|it|my [a-z]+)"
        " (?:over |through |on |along |back )?(?:to|with) <who>",
        "(?:give|get|find|fetch|bring) me <who>(?: (?:please|now|to|who|on|instead|asap|immediately|here) .*|$)",
        "(?:i|we) (?:<2>want|<2>need|d like|would like|demand|prefer|request) <who>"
        "(?: (?:please|now|here|instead|asap|immediately|on the (?:phone|line)|to (?:help|talk|speak|call|look|answer|assist"
        "|contact|handle|reply|deal)|who) .*|$)",
        "(?:help|assistance|a call|a callback|a reply|an answer) (?:from|by) <who>",
        "(?:is|are) there <who> (?:who|i can|there|here|around|available|online|to (?:talk|speak|help))",
        "(?:have|get|ask|want|need|can|could) <who> <3>(?:call|contact|phone|ring|reach|help|get back to|write to) me",
        "(?:don t|do not|dont) want to (?:talk|speak|chat) (?:to|with) (?:a |an |the |this |some |any )?"
        "(?:ro)?(?:bots?|machine|computer|ai|chatbot|robot)",
        "(?:please|can you|could you) escalate (?:this|it|my [a-z]+)",
        f"^(?:please |ok |okay |just |hi |hello |no )*{_TALK} <who>(?: (?:please|now|about|regarding|instead|asap|immediately"
        "|today|right|because|not|here|who) .*|$)",
        "(?:please|pls|plz) <who>$",
        "^<who> (?:please|pls|plz|now)$",
    ),
    alone=(
        "human being|human agent|human support|human help|human|person|agent|representative|rep|operator|advis[eo]r"
        "|supervisor|customer service|team member|real people"
    ),
    polite=("please|pls|plz|now|hi|hello|hey|ok|okay|no|yes|just|immediately|asap|right|want|i|get|give|me|bot|bots"),
    nots=(
        "(?:don t|do not|dont) (?:want|need|connect|transfer|put|escalate|get|give|call|send|pass|forward)|doesn t|never|no need|without|won t|am not|m not"
        "|not (?:want|need|asking|going|trying)|wouldn t|hate to|rather not"
    ),
)
# The refusal of a bot begins with a negation, and is a wish all the same.
REFUSES_BOT: Final = (
    r"(?:don t|do not|dont) (?:want|like) to (?:talk|speak|chat) (?:to|with) (?:a |an |the |this |some |any )?"
    "(?:bots?|machine|computer|ai|chatbot|robot)"
    "|(?:nicht|kein\\w*) <3>(?:bot|roboter|maschine|computer|ki|chatbot) (?:sprechen|reden|schreiben|chatten)"
    "|no quiero hablar con (?:un |una |el |este )?(?:bot|robot|maquina|chatbot)"
    "|(?:je )?ne veux pas parler (?:a|avec) (?:un |une |ce )?(?:bot|robot|machine|chatbot)"
)

_GERMAN: Final = Tongue(
    people=(
        "menschen|mensch|person|mitarbeiter\\w*|berater\\w*|kundenberater\\w*|agenten|sachbearbeiter\\w*|kundendienst"
        "|kundenservice|kundenbetreuer\\w*|support|ansprechpartner\\w*|ansprechperson|kolleg(?:e|en|in)|vorgesetzten?"
        "|chef\\w*|manager\\w*|jemand|jemandem|jemanden|verkaufer\\w*|servicemitarbeiter\\w*|techniker\\w*"
    ),
    before=(
        "deinem|deiner|deinen|ein|eine|einem|einer|einen|nem|ner|nen|ne|der|die|den|dem|euren|eurem|ihrem|ihrer|ihren|anderen|echte\\w*|richtige\\w*"
        "|lebendige\\w*|menschliche\\w*|reale\\w*|wirkliche\\w*|zustandige\\w*"
    ),
    asks=(
        "(?:will|mochte|mocht|wurde|wollen|mochten|kann|konnte|konnen|konnten|darf|durfte|muss|lass\\w*|wunsche|gerne?) <4>"
        "(?:mit|zu) <who> <3>(?:sprechen|reden|telefonieren|chatten|schreiben|verbunden werden|kommunizieren|unterhalten"
        "|verbinden|durchstellen)",
        "^(?:bitte )?(?:mit|zu) <who> (?:bitte )?(?:sprechen|reden|verbinden|verbunden werden)",
        "(?:verbinde|verbinden|verbind|stell|stelle|stellen|leite|leiten|gib|geben|ubergeben|ubergib) <4>(?:mit|zu|an|durch zu) <who>",
        "(?:brauche|brauch|will|mochte|hatte gerne?|verlange|benotige) <2><who>(?: (?:bitte|jetzt|sofort|sprechen|der mir|die mir) .*|$)",
        "(?:kann|konnte|soll|sollte) (?:mir|mich|uns) <2><who> <2>(?:helfen|anrufen|zuruckrufen|kontaktieren)",
        "(?:gib|geben|hol|holen) <2>(?:mir|uns) <1><who>",
        "(?:gibt es|ist da|ist dort) <who> <3>(?:sprechen|reden|helfen|da|kann)",
        "(?:bitte|hilfe von) <who>$",
        "^<who> bitte",
    ),
    alone=(
        "menschen|person|mitarbeiter(?:in)?|berater(?:in)?|kundenberater(?:in)?|sachbearbeiter(?:in)?|kundendienst"
        "|kundenservice|ansprechpartner(?:in)?|ansprechperson|agenten|servicemitarbeiter"
    ),
    polite="bitte|hallo|hi|nein|ja|danke|jetzt|sofort|einfach|nur|ok|mit",
    nots="nicht|keine?|keinen|keinem|keiner|niemals|ohne|nie",
)

_FRENCH: Final = Tongue(
    people=(
        "conseill(?:er|ere)|humain|humaine|etre humain|personne|agent|operateur|operatrice|employee?|responsable|quelqu un"
        "|interlocuteur|technicien|service client|conseillers|vrai humain|teleconseiller"
    ),
    before="un|une|d un|d une|l|le|la|votre|vos|a|vrai|vraie|reel|reelle|autre",
    asks=(
        "(?:veux|voudrais|aimerais|souhaite|souhaiterais|puis je|peux|pourrais|dois|possible de|besoin de|prefere|exige"
        "|pourrions nous|peut on) <2>(?:parler|discuter|echanger|etre mis en (?:relation|contact)|m adresser|communiquer)"
        " (?:a|avec|au) <who>",
        "(?:passez|passe|mettez|transferez|connectez|transferer|mettre|passer|redirigez)(?: |-)?(?:moi)? ?"
        "(?:en (?:relation|contact|communication) )?(?:a |avec |vers |au )?<who>",
        "^(?:bonjour |svp |merci de )*parler (?:a|avec|au) <who>(?: reel| reelle| svp| s il .*|$)",
        "(?:veux|voudrais|besoin d|demande) <2><who>(?: reel| reelle| svp| s il .*|$)",
        "<who> (?:s il vous plait|svp|s il te plait|stp)",
        "(?:est ce que|est ce qu) <1><who> <2>(?:m aider|me rappeler|me contacter)",
    ),
    polite="s|il|vous|te|plait|svp|stp|bonjour|merci|non|oui|maintenant|reel|reelle",
    nots="pas|jamais|sans|plus besoin",
)

_SPANISH: Final = Tongue(
    people=(
        "persona|humano|humana|ser humano|agente|asesora?|operadora?|representante|ejecutivo|ejecutiva|empleado|empleada"
        "|encargado|encargada|supervisora?|alguien|atencion al cliente|servicio al cliente|gerente|tecnico|comercial"
    ),
    before="un|una|el|la|algun|alguna|su|verdadero|verdadera|otra|otro",
    asks=(
        "(?:quiero|quisiera|querria|necesito|puedo|podria|me gustaria|deseo|prefiero|exijo|dejame|dejeme|se puede|podemos"
        "|quiero que me atienda) <2>(?:hablar|chatear|comunicarme|conversar|contactar|contactarme|platicar) con <who>",
        "(?:paseme|pasame|pasenme|comuniqueme|comunicame|conecteme|conectame|transfierame|transfiereme|poneme|ponme|pongame"
        "|derivame|deriveme) <1>(?:con|a) <who>",
        "(?:me (?:puede|puedes|podria|podrias)) (?:pasar|comunicar|conectar|transferir|poner) <1>(?:con|a) <who>",
        "^(?:por favor |hola )*hablar con <who>(?: (?:real|por|ya|ahora|humana?) .*| real| humana?|$)",
        "(?:quiero|necesito|exijo) <who>(?: real| humana?| de verdad| por favor| ya|$)",
        "<who> (?:real |humana? )?por favor",
        "(?:que me (?:atienda|llame|contacte|ayude)) <who>",
        "(?:hay|puede) <who> <2>(?:ayudarme|atenderme|llamarme|hablar)",
    ),
    polite="por|favor|hola|ya|ahora|no|si|quiero|con|gracias|real|humano|humana",
    nots="no (?:quiero|necesito|deseo|hace falta)|nunca|sin|tampoco",
)

_PORTUGUESE: Final = Tongue(
    people=(
        "pessoa|humano|humana|ser humano|atendente|agente|operadora?|representante|funcionario|funcionaria|alguem|assistente"
        " humano|supervisora?|gerente|suporte|colaborador|consultora?"
    ),
    before="um|uma|o|a|algum|alguma|seu|verdadeira?|outro|outra|real",
    asks=(
        "(?:quero|queria|gostaria de|preciso|posso|poderia|prefiro|quero muito|da para|da pra|tem como|desejo|exijo) <2>"
        "(?:falar|conversar|ser atendid[oa]|contatar|contactar|comunicar) (?:com|por) <who>",
        "(?:me )?(?:transfira|transfere|transferir|passa|passe|passar|conecte|conecta|conectar|encaminhe|ligue|liga) <2>"
        "(?:para|com|a|pra|ao) <who>",
        "^(?:por favor |ola )*falar com <who>(?: real| de verdade| por favor|$)",
        "(?:quero|preciso de|exijo) <who>(?: real| de verdade| por favor|$)",
        "<who> (?:real |humano |humana )?por favor",
    ),
    polite="por|favor|ola|oi|agora|nao|sim|quero|com|real|humano|humana",
    nots="nao (?:quero|preciso|gostaria|desejo)|nunca|sem",
)

_ITALIAN: Final = Tongue(
    people=(
        "persona|umano|umana|essere umano|operatore|operatrice|agente|consulente|addetto|addetta|responsabile|impiegato"
        "|qualcuno|assistenza clienti|servizio clienti|rappresentante|tecnico"
    ),
    before="un|una|uno|il|la|l|vostro|vero|vera|reale|altro|altra",
    asks=(
        "(?:voglio|vorrei|posso|potrei|devo|desidero|preferisco|ho bisogno di|si puo|possibile|fatemi|fammi|mi faccia) <2>"
        "(?:parlare|chattare|comunicare|discutere|essere messo in contatto) (?:con|a) <who>",
        "(?:passami|passatemi|mi passi|mi passa|mi metta in contatto con|mettetemi in contatto con|mi trasferisca a|mi colleghi a"
        "|trasferitemi a) <who>",
        "(?:puo|puoi|potete|potrebbe) (?:passarmi|metter(?:mi|e) in contatto con|passare|trasferirmi a|farmi parlare con) <who>",
        "^(?:per favore |ciao )*parlare con <who>(?: reale| vera| in carne .*| per .*|$)",
        "(?:voglio|vorrei|esigo) <who>(?: reale| vera| per favore| subito|$)",
        "(?:c e|esiste) <who> <2>(?:posso|potrei|possa) <1>(?:parlare|aiutarmi)",
        "<who> (?:reale |vera |umano )?(?:per favore|per cortesia|grazie)",
    ),
    polite="per|favore|cortesia|ciao|salve|no|si|adesso|ora|subito|grazie|con|reale|vera|umano",
    nots="non (?:voglio|vorrei|ho bisogno|desidero|serve)|mai|senza",
)

_DUTCH: Final = Tongue(
    people=(
        "mens|medewerkers?|medewerkster|persoon|iemand|agent|collega|klantenservice|adviseur|vertegenwoordiger|manager"
        "|leidinggevende|supportmedewerker|helpdesk|mensen"
    ),
    before="een|de|n|jullie|echte?|levende?|menselijke?|andere?",
    asks=(
        "(?:wil|wou|zou|kan|mag|moet|kunnen|graag|liever|laat) <4>(?:met|aan) <who> <3>(?:spreken|praten|chatten|bellen|verbonden worden"
        "|doorverbonden worden|overleggen)",
        "(?:wil|kan|mag|zou|wou|moet) <4><who> <1>(?:spreken|aan de lijn)",
        "(?:verbind|verbindt|zet|schakel) <3>(?:met|naar|aan) <who>",
        "met <who> (?:door)?verbinden",
        "^(?:graag |met )*<who> (?:spreken|alstublieft|alsjeblieft|graag|aub)",
        "(?:wil|heb) <1><who>(?: (?:nodig|spreken|aub|alsjeblieft|nu) .*| nodig|$)",
    ),
    alone="medewerker|persoon|klantenservice|agent|mens",
    polite="alstublieft|alsjeblieft|aub|graag|hallo|hoi|nee|ja|nu|met",
    nots="niet|geen|nooit|zonder",
)

_SCANDINAVIAN: Final = Tongue(  # Swedish, Danish and Norwegian are near enough to each other.
    people=(
        "manniska|person|medarbetare|handlaggare|kundtjanst|kundservice|nagon|radgivare|menneske|medarbejder|medarbeider|kundeservice"
        "|nogen|noen|radgiver|kundebehandler|agent|supporten|ansatt|personale|chef|sjef|operator"
    ),
    before="en|ett|et|den|jeres|er|deres|dere|riktigt?|riktig|rigtig|rigtigt|ekte|ægte|virkelig|verklig|levande|levende|menneskelig|mansklig|annan|anden|annen",
    asks=(
        "(?:vill|vil|kan|skulle|far|ma|behover|maste|gerne|gjerne|onskar|onsker|lat|la) <4>(?:prata|tala|snakke|tale|chatta|chatte|snacka|kommunicera"
        "|fa kontakt|komma i kontakt|komme i kontakt|kontakt) med <who>",
        "(?:koppla|koble|kopla|viderestill?e?|sett|stille?) <3>(?:till|til|med) <who>",
        "^(?:prata|tala|snakke|tale|snak) med <who>(?: tack| takk| tak|$)",
        "(?:vill ha|vil ha|vil have|behover|trenger|har brug for) <who>(?: tack| takk| tak| nu|$)",
        "^<who> (?:tack|takk|tak|vær sa snill)",
    ),
    alone="manniska|medarbetare|handlaggare|kundtjanst|menneske|medarbejder|medarbeider|kundeservice|kundebehandler",
    polite="tack|takk|tak|hej|hei|nej|nei|ja|nu|na|snalla|vær|sa|snill|venlig",
    nots="inte|ikke|aldrig|aldri|utan|uden|uten|inget|ingen",
)

LATIN: Final = (_ENGLISH, _GERMAN, _FRENCH, _SPANISH, _PORTUGUESE, _ITALIAN, _DUTCH, _SCANDINAVIAN)
