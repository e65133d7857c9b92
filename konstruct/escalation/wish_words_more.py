"""How people ask for a person, in the languages that ``wish_words`` does not have; written as it says."""

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

_RUSSIAN: Final = Tongue(
    people=(
        "человеком|человека|человеку|оператором|оператора|оператору|оператор|сотрудником|сотрудника|сотруднику|менеджером|менеджера|менеджеру"
        "|специалистом|специалиста|специалисту|консультантом|консультанта|консультанту|поддержкой|кем нибудь|кем то|представителем|людьми"
        "|живым|администратором"
    ),
    before="живым|живого|живому|реальным|реального|настоящим|настоящего|вашим|каким нибудь|другим",
    asks=(
        "(?:хочу|хотел|хотела|хотелось|можно|могу|нужно|надо|дайте|дай|пожалуйста|хотим|желаю) <3>(?:поговорить|говорить|пообщаться|общаться|связаться"
        "|переговорить|разговаривать|побеседовать|соединить|чтобы соединили) <1>с(?:о)? <who>",
        "(?:соедините|соедини|свяжите|переключите|переключи|переведите|переведи|соединить|перевести|переключить|подключите) <2>(?:с|со|на|к) <who>",
        "(?:позовите|позови|дайте|нужен|нужна|хочу|требую|подключите|подключи|пригласите) <1>(?:живой |живого )?(?:оператор|оператора|менеджер|менеджера|человека|человек"
        "|специалиста|специалист|консультанта|консультант|сотрудника)(?: пожалуйста| срочно| поддержки|$)",
        "^(?:поговорить|связь|соединение) с <who>",
    ),
    alone="оператор|оператора|менеджер|человек|человека|консультант|живой человек|живой оператор|специалист|поддержка|сотрудник",
    polite="пожалуйста|здравствуйте|привет|нет|да|сейчас|срочно|мне|живой",
    nots="не хочу|не хотел|не надо|не нужно|не нужен|без|никогда",
)

_UKRAINIAN: Final = Tongue(
    people=(
        "людиною|людину|оператором|оператора|оператор|працівником|менеджером|менеджера|спеціалістом|консультантом|консультанта|кимось|представником|фахівцем"
    ),
    before="живою|живим|реальною|справжньою|вашим|якимось|живого",
    asks=(
        "(?:хочу|хотів|хотіла|можна|можу|треба|потрібно|хотілося|прошу|дайте) <3>(?:поговорити|говорити|поспілкуватися|спілкуватися|зв язатися|розмовляти) <1>(?:з|із|зі) <who>",
        "(?:з єднайте|зв яжіть|переключіть|переведіть|з єднай) <2>(?:з|із|на|до) <who>",
        "(?:покличте|дайте|потрібен|хочу|підключіть) <1>(?:живий |живого )?(?:оператор|оператора|менеджера|людину)(?: будь ласка|$)",
    ),
    alone="оператор|оператора|людина|жива людина|менеджер|консультант",
    polite="будь|ласка|добрий|день|привіт|ні|так|зараз",
    nots="не хочу|не треба|не потрібно|без",
)

_BULGARIAN: Final = Tongue(
    people="човек|оператор|служител|агент|консултант|представител|някого|някой|колега|реален човек|жив човек",
    before="жив|истински|реален|с|ваш",
    asks=(
        "(?:искам|бих искал|бих искала|може ли|мога ли|трябва|желая|предпочитам) <2>(?:да )?(?:говоря|поговоря|говорим|разговарям|пиша|се свържа) (?:с|със) <who>",
        "(?:свържете|свържи|прехвърлете|прехвърли) <2>(?:с|със|към) <who>",
    ),
    alone="оператор|служител|жив човек|истински човек",
    polite="моля|ви|те|здравейте|не|да|сега|с",
    nots="не искам|не желая|без|никога",
)

_GREEK: Final = Tongue(
    people="άνθρωπο|εκπρόσωπο|υπάλληλο|σύμβουλο|κάποιον|χειριστή|αντιπρόσωπο|πρόσωπο|τμήμα εξυπηρέτησης|συνάδελφο|υπεύθυνο",
    before="έναν|ένα|μια|τον|την|το|πραγματικό|αληθινό|ζωντανό|κάποιον",
    asks=(
        "(?:θέλω|θα ήθελα|μπορώ|μπορούσα|πρέπει|γίνεται|προτιμώ) <2>(?:να )?(?:μιλήσω|συνομιλήσω|επικοινωνήσω) (?:με|σε) <who>",
        "(?:συνδέστε|σύνδεσε|βάλτε|συνδέσετε|μεταφέρετε) <2>(?:με|σε) <who>",
        "^να μιλήσω με <who>",
    ),
    alone="εκπρόσωπος|εκπρόσωπο|υπάλληλος|άνθρωπος|άνθρωπο|χειριστής",
    polite="παρακαλώ|γεια|σας|όχι|ναι|τώρα|με|έναν",
    nots="δεν (?:θέλω|χρειάζομαι|θα ήθελα)|χωρίς|ποτέ|μη",
)

_ARABIC: Final = Tongue(
    people=(
        "موظف|الموظف|موظفه|شخص|انسان|ممثل|وكيل|احد|مسؤول|المسؤول|مشرف|بشري|خدمة العملاء|موظف خدمة العملاء|ممثل خدمة العملاء|مندوب|الدعم"
    ),
    before="احد|مع|ل",
    asks=(
        "(?:اريد|أرغب|ارغب|عايز|عاوز|بدي|ابغى|ابي|ممكن|هل يمكنني|يمكنني|اود|أود|احتاج|أحتاج|اطلب) <2>(?:ان )?(?:التحدث|الحديث|اتحدث|اتكلم|التكلم|التواصل|اتواصل|أتكلم|احكي|اكلم|محادثة|تحويلي|بالتحدث)"
        " <1>(?:مع|الى|إلى|ل)? ?<who>",
        "(?:حولني|حوّلني|وصلني|وصّلني|اوصلني|صلني|حولوني|تحويلي) <1>(?:الى|إلى|ب|مع|على|ل)? ?<who>",
        "(?:اريد|عايز|بدي|ابغى|ابي) <who>",
        "(?:التحدث|تحدث) (?:مع|الى) <who>$",
    ),
    alone="موظف|انسان|ممثل|خدمة العملاء|موظف خدمة العملاء|شخص حقيقي",
    polite="من|فضلك|لو|سمحت|مرحبا|السلام|عليكم|لا|نعم|الان|رجاء",
    nots="لا (?:اريد|ارغب|احتاج)|مش عايز|ما ابغى|ما بدي|بدون|لست بحاجة",
)

_PERSIAN: Final = Tongue(
    people="انسان|آدم|فرد|شخص|اپراتور|کارشناس|پشتیبان|پشتیبانی|نماینده|مسئول|کارمند|نفر|یکی",
    before="یک|یه|با|واقعی",
    asks=(
        "(?:میخواهم|می خواهم|میخوام|می خوام|لطفا|میشه|می شود|میتونم|می توانم|میتوانم) <1>با <who> <3>(?:صحبت|حرف|گفتگو|چت|ارتباط)",
        "با <who> <2>(?:صحبت|حرف|گفتگو|چت) (?:کنم|بزنم|کردن)",
        "(?:وصل|متصل) <2>(?:به )?<who>",
        "به <who> (?:وصل|متصل)",
    ),
    alone="اپراتور|کارشناس|پشتیبان|انسان واقعی|پشتیبانی",
    polite="لطفا|سلام|نه|بله|الان",
    nots="نمیخواهم|نمی خواهم|نمیخوام|نمی خوام|بدون|لازم نیست|نیازی",
)

_HEBREW: Final = Tongue(
    people="נציג|נציגה|בן אדם|אדם|אנושי|מישהו|מוקדן|מנהל|שירות לקוחות|נציג אנושי|נציג שירות|אדם אמיתי",
    before="עם|אל",
    asks=(
        "(?:רוצה|אפשר|אני צריך|אני צריכה|אשמח|מבקש|מבקשת|יכול|יכולה|ניתן) <2>(?:לדבר|לשוחח|להתכתב|שיחה|לתקשר) <1>(?:עם )?<who>",
        "(?:תעביר|תעבירו|העבר|העבירו|חבר|תחבר|תחברו|תעבירי) (?:אותי )?(?:ל|אל |עם |ל )?<who>",
        "(?:תעביר|תעבירו|העבר|העבירו|חבר|תחבר|תחברו) (?:אותי )?(?:לנציג|לבן אדם|לאדם|למוקדן|למנהל)",
        "^(?:לדבר|שיחה) עם <who>",
        "^<who> (?:בבקשה|אנושי)",
        "רוצה <who>$",
    ),
    alone="נציג|נציגה|נציג אנושי|בן אדם|נציג שירות|מענה אנושי",
    polite="בבקשה|שלום|לא|כן|עכשיו|היי|דחוף",
    nots="לא (?:רוצה|צריך|צריכה)|בלי|אין צורך",
)

_HINDI: Final = Tongue(  # Urdu and how both are typed in Latin letters, too.
    people=(
        "इंसान|इन्सान|व्यक्ति|आदमी|एजेंट|एजेन्ट|प्रतिनिधि|कर्मचारी|अधिकारी|मैनेजर|किसी|ऑपरेटर|insaan|insan|agent|aadmi|representative|executive|vyakti|manager"
        "|انسان|نمائندے|نمائندہ|ایجنٹ|شخص|افسر|منیجر|کسی"
    ),
    before="किसी|एक|असली|वास्तविक|मानव|kisi|ek|asli|real|human|customer care|کسی|ایک|اصلی|حقیقی",
    asks=(
        "<who> से <2>(?:बात|संपर्क|चैट|बातचीत|जोड़)",
        "<who> (?:se|say) <1>(?:baat|bat|connect)",
        "<who> سے <2>(?:بات|رابطہ|چیٹ|ملا|ملائیں)",
        "(?:कस्टमर केयर|ग्राहक सेवा|customer care) (?:से|se) (?:बात|baat)",
    ),
    alone="एजेंट|प्रतिनिधि|इंसान|ऑपरेटर|نمائندہ|ایجنٹ",
    polite="कृपया|नमस्ते|नहीं|हाँ|अभी|please|پلیز|براہ|کرم|برائے|مہربانی",
    nots="नहीं (?:करनी|करना|चाहिए|चाहता|चाहती)|नही|मत|nahi|نہیں|مت",
)

_BENGALI: Final = Tongue(
    people="মানুষের|মানুষ|ব্যক্তির|প্রতিনিধির|প্রতিনিধি|এজেন্টের|এজেন্ট|কর্মীর|কারো|কারও|লোকের|অপারেটরের|কর্মকর্তার",
    before="একজন|কোনো|আসল|প্রকৃত|সত্যিকারের|সত্যিকার|কোন",
    asks=("<who> (?:সাথে|সঙ্গে) <1>(?:কথা|যোগাযোগ|চ্যাট)", "<who> <1>(?:সংযোগ|সংযুক্ত)"),
    alone="এজেন্ট|প্রতিনিধি|মানুষ",
    polite="দয়া|করে|অনুগ্রহ|হ্যালো|না|এখন",
    nots="চাই না|বলব না|দরকার নেই",
)

_TAMIL: Final = Tongue(
    people="மனிதரிடம்|மனிதருடன்|நபரிடம்|நபருடன்|முகவரிடம்|முகவருடன்|பிரதிநிதியிடம்|பிரதிநிதியுடன்|ஊழியரிடம்|யாரிடமாவது|ஏஜெண்டிடம்|அதிகாரியிடம்",
    before="ஒரு|உண்மையான|நிஜ",
    asks=("<who> <1>(?:பேச|பேசணும்|பேசவேண்டும்|இணைக்க|இணைக்கவும்)",),
    alone="முகவர்|பிரதிநிதி",
    polite="தயவுசெய்து|வணக்கம்|இல்லை",
    nots="விரும்பவில்லை|வேண்டாம்",
)

_CHINESE: Final = Tongue(
    people="人工客服|人工客服人员|人工服务|人工|真人客服|真人|客服人员|客服专员|客服|真人客服|人類|人类|工作人员|工作人員|專員|专员|人工服務|客服人員|真的人|活人",
    before="一个|一個|你们的|你們的|位|一位|个|個|名|一名",
    asks=(
        "(?:转|轉|转接|轉接|接|换|換|找|叫|请求|聯繫|联系|转到|轉到|接通)(?:一下)?(?:到|给|給)?(?:我)?<who>",
        "(?:想|要|能|可以|需要|让我|讓我|请|請|希望|帮我|幫我)[^不]{0,4}(?:和|跟|与|與|同)<who>(?:说|說|谈|談|聊|讲|講|通话|通話|对话|對話|沟通|溝通|联系|聯繫|交流)",
        "(?:我要|我想要|我需要|给我|給我|请给我|請給我|需要)<who>$",
        "(?:和|跟)<who>(?:说话|說話|聊|谈|談|对话|對話|通话)$",
    ),
    alone="人工客服|人工|人工服务|人工服務|真人|真人客服|转人工|轉人工|客服",
    polite="请|請|你好|您好|谢谢|謝謝|吧|快|我要|不|麻烦",
    nots="不(?:想|要|用|需要)(?:和|跟|转|轉|接|找|人工|真人)|不用转|别转|別轉|无需",
    is_spaced=False,
)

_JAPANESE: Final = Tongue(
    people="担当者|担当の人|担当の方|オペレーター|オペレータ|人間|スタッフ|係員|係の人|係の方|有人|責任者|店員|実際の人|本物の人|カスタマーサポート|社員",
    before="人間の|本物の|実際の|生身の|別の|サポートの|有人の",
    asks=(
        "<who>(?:の方|さん)?(?:と|に)(?:直接)?(?:話し?たい|話をしたい|お話し?したい|話せます|お話し?でき|話し?でき|話させ|相談したい|つない|繋い|つなげ|繋げ|かわっ|代わっ|替わっ|連絡したい|チャットしたい|話がしたい|お話しがしたい)",
        "<who>(?:の方|さん)?(?:を|へ)(?:お願い|呼ん|出し|つない|繋い|希望)",
        "<who>(?:対応|応対)(?:を|に)?(?:お願い|希望|して|切り替え)",
        "<who>(?:に|へ)(?:切り替え|代わ|つな|繋)",
    ),
    alone="担当者|オペレーター|オペレータ|有人対応|人間のオペレーター|有人チャット|人間",
    polite="お願いします|ください|こんにちは|いいえ|すみません|を",
    nots="たくない|必要ない|必要はない|不要",
    is_spaced=False,
)

_KOREAN: Final = Tongue(
    people="상담원|상담사|사람|직원|담당자|관리자|상담직원|매니저|실제사람|진짜사람|인간|고객센터",
    before="실제|진짜|다른|인간|고객센터",
    asks=(
        "<who>(?:이랑|랑|하고|과|와|님과|님이랑|님하고|한테)(?:직접)?(?:통화|대화|얘기|이야기|말하고|말씀|상담|채팅|연결|상의)",
        "<who>(?:님)?(?:을|를|으로|로|에게|한테)?(?:연결|바꿔|불러|바꾸)",
        "<who>(?:님)?(?:을|를)?(?:원해|원합니다|부탁)",
    ),
    alone="상담원|상담사|상담원연결|담당자|직원|사람",
    polite="요|주세요|안녕하세요|부탁드립니다|아니요|제발|지금|네",
    nots="고싶지않|필요없|싫|원하지않|하지마",
    is_spaced=False,
)

_THAI: Final = Tongue(
    people="เจ้าหน้าที่|พนักงาน|คนจริงๆ|คนจริง|มนุษย์|แอดมิน|คน|ตัวแทน|โอเปอเรเตอร์|ผู้จัดการ",
    before="",
    asks=(
        "(?:อยาก|ขอ|ต้องการ|ช่วย|สามารถ)(?:จะ)?(?:คุย|พูด|สนทนา|ติดต่อ|พูดคุย|แชท|ให้)(?:คุย)?(?:สาย)?(?:กับ)?(?:ทาง)?<who>",
        "(?:โอนสาย|ต่อสาย|โอน)(?:ไปหา|ไปยัง|ไป|ให้|หา|ถึง|คุยกับ)?<who>",
        "(?:ขอ|ต้องการ|เรียก)(?:สาย)?<who>",
    ),
    alone="เจ้าหน้าที่|พนักงาน|แอดมิน|คนจริงๆ",
    polite="ค่ะ|ครับ|คะ|สวัสดี|ขอ|หน่อย|นะ",
    nots="ไม่อยาก|ไม่ต้อง|ไม่ขอ",
    is_spaced=False,
)

MORE: Final = (
    *(
        _POLISH,
        _CZECH,
        _HUNGARIAN,
        _ROMANIAN,
        _CROATIAN,
        _FINNISH,
        _TURKISH,
        _INDONESIAN,
        _VIETNAMESE,
        _TAGALOG,
        _SWAHILI,
    ),
    *(_CATALAN, _RUSSIAN, _UKRAINIAN, _BULGARIAN, _GREEK, _ARABIC, _PERSIAN, _HEBREW, _HINDI, _BENGALI, _TAMIL),
    *(_CHINESE, _JAPANESE, _KOREAN, _THAI),
)
