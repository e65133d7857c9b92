"""How people ask for a person, in the other languages that are written with Latin letters; see ``wish_words``."""

from typing import Final

from konstruct.escalation.wish_words import Tongue

_POLISH: Final = Tongue(
    people=(
        "człowiekiem|człowieka|osobą|osobę|konsultantem|konsultanta|konsultantką|konsultant|pracownikiem|pracownika|agentem"
        "|doradcą|doradcy|kimś|przedstawicielem|operatorem|obsługą klienta|obsługi klienta|kierownikiem"
    ),
    before="żywym|żywą|prawdziwym|prawdziwą|prawdziwego|realną|jakimś|państwa|waszym",
    asks=(
        "(?:chcę|chce|chciałbym|chciałabym|mogę|muszę|proszę|wolę|można) <2>(?:rozmawiać|porozmawiać|mówić|pogadać|połączyć|"
        "rozmowę|się skontaktować) <1>z <who>",
        "(?:połącz|połączyć|połączcie|przełącz|przełączyć|przekieruj) <2>(?:z|do) <who>",
        "^(?:proszę )?(?:rozmowa|połączenie) z <who>",
        "(?:chcę|potrzebuję|proszę o) <who>$",
        "^<who> proszę",
    ),
    alone="konsultant|konsultanta|człowiek|człowieka|żywy człowiek|obsługa klienta|pracownik",
    polite="proszę|dzień|dobry|cześć|nie|tak|teraz|poproszę|z",
    nots="nie chcę|nie chce|nie muszę|bez|nigdy",
)

_CZECH: Final = Tongue(  # Slovak, too.
    people=(
        "člověkem|člověka|člověku|človekom|človeka|osobou|operátorem|operátora|operátorom|operátorovi|zaměstnancem|zamestnancom"
        "|pracovníkem|pracovníkom|zástupcem|zástupcom|někým|niekým|agentem|agentom|poradcem|poradcom|podporou"
    ),
    before="živým|živého|skutečným|skutočným|opravdovým|nějakým|nejakým|vaším|reálnym|reálným",
    asks=(
        "(?:chci|chcem|chtěl|chtěla|chtel|chcel|chcela|můžu|mohu|môžem|mohl|mohla|mohol|potřebuji|potřebuju|potrebujem|rád|rada"
        "|prosím|lze) <3>(?:mluvit|promluvit|hovořit|hovoriť|rozprávať|porozprávať|spojit|spojiť|mluvím) <1>(?:s|se|so) <who>",
        "(?:mluvit|promluvit|hovořit|hovoriť|rozprávať) (?:s|se|so) <who>$",
        "(?:spojte|spoj|přepojte|prepojte|přepni|přepněte) <2>(?:s|se|so|na|k) <who>",
    ),
    alone="operátor|operátora|člověk|človek|živý člověk|živý operátor",
    polite="prosím|dobrý|den|deň|ahoj|ne|nie|ano|áno|hned|s",
    nots="nechci|nechcem|nechtěl|nechcel|nepotřebuji|nepotrebujem|bez|nikdy",
)

_HUNGARIAN: Final = Tongue(
    people=(
        "emberrel|személlyel|ügyintézővel|munkatárssal|ügyfélszolgálattal|ügyfélszolgálatossal|operátorral|valakivel|kollégával"
        "|képviselővel"
    ),
    before="egy|valódi|élő|igazi|hús vér|hús|vér|az|a",
    asks=(
        "<who> <2>(?:beszélni|beszélnék|beszélhetek|beszélhetnék|szeretnék|akarok|csevegni|kapcsolni|kapcsoljon|kapcsoljanak)",
        "(?:szeretnék|akarok|beszélhetek|beszélnék|beszélhetnék|kapcsoljon|kapcsoljanak) <2><who>",
        "(?:kapcsolja|kapcsolj|kapcsoljon|adjon|kérek|kérem) <1>(?:egy |az? )?(?:élő )?(?:ügyintézőt|ügyfélszolgálatot|embert|operátort|munkatársat)",
    ),
    alone="ügyintéző|ügyintézőt|ügyfélszolgálat|embert|operátor",
    polite="kérem|kérek|egy|szia|jó|napot|nem|igen|most|élő",
    nots="nem akarok|nem szeretnék|ne|soha",
)

_ROMANIAN: Final = Tongue(
    people="om|persoană|persoana|operator|operatorul|agent|reprezentant|consultant|angajat|cineva|coleg|uman|om real",
    before="un|o|cu|adevărat|adevărată|alt|altă",
    asks=(
        "(?:vreau|aș vrea|as vrea|doresc|pot|aș putea|as putea|trebuie|prefer|se poate|aș dori) <2>(?:să )?(?:vorbesc|discut|vorbi|discuta"
        "|iau legătura|fiu pus în legătură) cu <who>",
        "(?:puneți|pune|conectați|conectează|transferați|faceți|fă) <2>(?:legătura cu|în legătură cu|cu|la|către) <who>",
        "^(?:vreau )?(?:un )?operator(?: uman)? (?:vă rog|te rog)",
    ),
    alone="operator|operator uman|om|agent|persoană reală",
    polite="vă|te|rog|bună|ziua|nu|da|acum|vreau|un|o",
    nots="nu vreau|nu doresc|fără|niciodată",
)

_CROATIAN: Final = Tongue(  # Serbian, Bosnian and Slovene, too.
    people=(
        "čovekom|čovjekom|osobom|agentom|operaterom|zaposlenikom|službenikom|predstavnikom|nekim|nekom|djelatnikom|človekom|osebo"
        "|svetovalcem|zaposlenim|korisničkom službom|korisničkom podrškom|nekom osobom"
    ),
    before="pravom|pravim|stvarnom|stvarnim|živim|živom|pravo|resničnim|vašim|nekom|nekim",
    asks=(
        "(?:želim|zelim|hoću|hocu|hteo|htela|htio|htjela|mogu|moram|trebam|bih|volio|rad|rada|hočem|lahko|molim) <3>"
        "(?:razgovarati|razgovaram|razgovarao|razgovarala|pričati|pričam|govoriti|govorim|govoril|popričam|porazgovarati) <1>(?:sa|s|z) <who>",
        "(?:spojite|spoji|prebacite|povežite|povežete) <2>(?:sa|s|z|na) <who>",
    ),
    alone="operater|operatera|agent|čovek|čovjek|živa osoba",
    polite="molim|vas|prosim|zdravo|bok|ne|da|odmah|s|sa",
    nots="ne želim|ne zelim|neću|necu|nočem|ne trebam|bez|nikad",
)

_FINNISH: Final = Tongue(
    people=(
        "ihmisen|ihmiselle|henkilön|henkilölle|asiakaspalvelijan|asiakaspalvelijalle|asiakaspalvelun|asiakaspalveluun|työntekijän"
        "|edustajan|jonkun|neuvojan|virkailijan|ihmiseen|ihmistä"
    ),
    before="oikean|oikealle|elävän|elävälle|oikeaan|toisen|teidän|oikeaa",
    asks=(
        "(?:haluan|haluaisin|voinko|voisinko|saanko|pitää|täytyy|haluun|tahdon) <2>(?:puhua|jutella|keskustella|chatata|asioida) <who> (?:kanssa|kaa)",
        "(?:haluan|haluaisin|voinko|saanko|voisinko) <2>(?:puhua|jutella|keskustella) <who>",
        "(?:puhua|jutella|keskustella) <who> kanssa$",
        "(?:yhdistä|yhdistäkää|yhdistäisitkö|ohjaa|siirrä) <2><who>",
        "<who> kanssa (?:puhua|puhumaan|jutella)",
    ),
    alone="asiakaspalvelija|asiakaspalvelu|ihminen|oikea ihminen|virkailija",
    polite="kiitos|hei|moi|ei|joo|nyt|olkaa|hyvä",
    nots="en halua|en haluaisi|en tarvitse|ilman|ei tarvitse",
)

_TURKISH: Final = Tongue(
    people=(
        "insanla|insan ile|kişiyle|kişi ile|temsilciyle|temsilci ile|temsilcisi ile|temsilcisiyle|yetkiliyle|yetkili ile|biriyle|biri ile"
        "|görevliyle|görevli ile|operatörle|operatör ile|çalışanla|danışmanla|müdürle"
    ),
    before="bir|gerçek|canlı|müşteri|hizmetleri|başka",
    asks=(
        "<who> <2>(?:görüşmek|konuşmak|konuşabilir|görüşebilir|bağlan\\w*|yazışmak|iletişime|konusabilir|konusmak)",
        "(?:temsilciye|temsilcisine|insana|yetkiliye|operatöre|görevliye|müşteri hizmetlerine) <1>(?:bağla\\w*|aktar\\w*|yönlendir\\w*|bağlan\\w*)",
    ),
    alone="temsilci|müşteri temsilcisi|yetkili|operatör|canlı destek|gerçek kişi|müşteri hizmetleri",
    polite="lütfen|merhaba|hayır|evet|şimdi|hemen|istiyorum",
    nots="istemiyorum|istemem|gerek yok",
)

_INDONESIAN: Final = Tongue(  # Malay, too.
    people=(
        "manusia|orang|orang asli|agen|ejen|petugas|staf|staff|operator|cs|customer service|admin|karyawan|wakil|pegawai"
        "|khidmat pelanggan|layanan pelanggan|seseorang|perwakilan"
    ),
    before="seorang|dengan|para|sama",
    asks=(
        "(?:ingin|mau|boleh|bisa|bisakah|bolehkah|hendak|nak|perlu|tolong|harus|minta) <3>(?:bicara|berbicara|bercakap|ngobrol|chat|cakap"
        "|berbincang|bicarakan|terhubung|ngomong) <who>",
        "(?:hubungkan|sambungkan|alihkan) <2>(?:dengan|ke|kepada) <who>",
        "^(?:bicara|bercakap|berbicara) <who>(?: asli| sungguhan| sebenar|$)",
    ),
    alone="operator|petugas|agen|ejen|customer service|cs|manusia|orang asli",
    polite="tolong|halo|hai|tidak|ya|sekarang|mohon|dong|min|sila",
    nots="tidak (?:ingin|mau|perlu|nak)|tak (?:mau|nak|perlu)|nggak|gak|tanpa|jangan",
)

_VIETNAMESE: Final = Tongue(
    people=(
        "người thật|con người|người|nhân viên|tư vấn viên|tổng đài viên|nhân viên tư vấn|nhân viên hỗ trợ|người phụ trách|ai đó|điện thoại viên"
    ),
    before="một|với|cho",
    asks=(
        "(?:muốn|cần|có thể|cho tôi|cho em|cho mình|được|xin|cho) <3>(?:nói chuyện|gặp|trao đổi|chat|trò chuyện|liên hệ|kết nối) <1><who>",
        "(?:kết nối|chuyển|nối máy) <2>(?:với|đến|cho|sang|tới) <who>",
        "^gặp (?:nhân viên|tư vấn viên|người thật|tổng đài viên)",
    ),
    alone="nhân viên|tư vấn viên|tổng đài viên|người thật",
    polite="làm|ơn|xin|chào|không|vâng|ngay|với|gặp|vui|lòng",
    nots="không muốn|không cần|đừng|không phải gặp",
)

_TAGALOG: Final = Tongue(
    people="tao|agent|ahente|representative|staff|empleyado|totoong tao|tunay na tao|customer service|human|csr|operator",
    before="isang|totoong|tunay|na|ang|sa|yung|live",
    asks=(
        "(?:gusto|gustong|pwede|pwedeng|puwede|puwedeng|maaari|maaaring|kailangan|kailangang|nais) <3>(?:kausap|makausap|kausapin|makipag usap|makipagusap"
        "|makausap ng|makapag usap) <2><who>",
        "(?:ikonekta|i connect|i transfer|ilipat|ipasa) <2>(?:sa|kay) <who>",
    ),
    alone="agent|ahente|totoong tao|tao",
    polite="po|please|hello|hindi|oo|ngayon|nga",
    nots="ayaw|ayoko|hindi ko (?:gusto|kailangan)|huwag",
)

_SWAHILI: Final = Tongue(
    people="mtu|binadamu|wakala|mhudumu|mfanyakazi|mwakilishi|msaidizi|afisa|huduma kwa wateja",
    before="na|halisi",
    asks=(
        "(?:nataka|ningependa|naomba|naweza|nahitaji|tafadhali) <2>(?:kuongea|kuzungumza|niongee|nizungumze|kuwasiliana|ongea|zungumza) <who>",
        "(?:niunganishe|niunganisheni|nipeleke) <1>(?:na|kwa) <who>",
    ),
    alone="mhudumu|wakala|mtu halisi",
    polite="tafadhali|hujambo|hapana|ndiyo|sasa",
    nots="sitaki|sihitaji|bila",
)

_CATALAN: Final = Tongue(
    people="persona|humà|agent|assessora?|operadora?|algú|representant|treballador|treballadora",
    before="un|una|el|la|l|altra|altre",
    asks=(
        "(?:vull|voldria|puc|podria|necessito|m agradaria|es pot|prefereixo) <2>(?:parlar|xatejar|comunicar me) amb <who>",
        "(?:passa m|passi m|posa m|posi m|connecta m|transfereix me) <1>amb <who>",
        "^parlar amb <who>(?: real| sisplau|$)",
    ),
    polite="sisplau|si|us|plau|hola|no|ara|amb|real",
    nots="no (?:vull|necessito|cal)|mai|sense",
)

MORE_LATIN: Final = (
    *(_POLISH, _CZECH, _HUNGARIAN, _ROMANIAN, _CROATIAN, _FINNISH, _TURKISH, _INDONESIAN, _VIETNAMESE, _TAGALOG),
    *(_SWAHILI, _CATALAN),
)
