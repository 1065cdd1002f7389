"""Which language a text is in, roughly: by its script, and in Latin script by its small words.

Good enough to see that an English request got a Chinese answer, and that ten words of Latin
letters without one small word of any language are no sentence. The letter pairs say whether words
could be words at all. They are those that make up at least a thousandth (Arabic, Cyrillic: half of
that) of the pairs in Wikipedia's text in one of the languages below, counted from the n-gram
profiles of langdetect (Apache-2.0, https://github.com/Mimino666/langdetect).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache, lru_cache
from itertools import pairwise

SMALL_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the a an of to and or but in on at for with from by as that this these it its is "
        "are was were be been have has had do does did not no i you he she we they my your his "
        "her their our can could will would should may if when what which who how there so than "
        "me him them about because i'm it's don't can't won't",
        "de": "der die das den dem des ein eine einen einem einer und oder aber in im an am auf "
        "für mit von vom zu zum zur bei aus nach über ist sind war hat haben wird werden sein "
        "nicht kein keine ich du er sie es wir ihr mich dir dich ihnen mir sich man wie was wer "
        "wenn dass auch nur noch so dann leider dazu kann muss soll",
        "fr": "le la les l un une des du de d et ou mais dans en sur pour avec par au aux à est "
        "sont était être a ont il elle je j tu nous vous ils on ne n pas plus que qu qui ce c "
        "cette ces se s son sa ses mon ma mes votre vos leur comme si puis très y peut",
        "es": "el la los las un una unos de del y o pero en a al con por para sin sobre es son "
        "era ser está hay que qué no se lo le les su sus mi tu te me yo él ella muy más como "
        "cómo si porque puedo puede este esta eso esto ese",
        "pt": "o a os as um uma de do da dos das e ou mas em no na nos nas com por para sem é são "
        "foi ser está que não se lhe seu sua meu minha você eu ele ela muito mais como isso este "
        "pela pelo ao posso pode",
        "it": "il lo la i gli le un una di del della dei delle e o ma in nel nella con per da dal "
        "su è sono era essere che non si mi ti ci suo sua mio tuo come più questo questa anche "
        "posso può",
        "nl": "de het een en of maar in op aan met van voor bij uit naar is zijn was heeft hebben "
        "wordt niet geen ik je jij u hij zij we wij ze dat die dit als ook nog kan moet wat hoe",
        "id": "yang dan di ke dari untuk dengan pada ini itu adalah tidak saya anda kita mereka "
        "akan atau juga bisa dapat karena sebagai oleh dalam apa cara lalu sampai bagaimana",
    }.items()
}
"""The commonest words of each language: a third to half of any ordinary sentence."""

SCRIPTS: dict[str, str] = {
    "HAN": "zh",
    "ARABIC": "ar",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CYRILLIC": "ru",
    "GREEK": "el",
    "HEBREW": "he",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "THAI": "th",
}
"""Script → the language that it most likely is; Latin is told by its small words."""

_FOLLOWERS = (
    # Latin: English, German, French, Spanish, Portuguese, Italian, Dutch, Indonesian
    "a:abcdfghijklmnoprstuvwyz b:abeiloruy c:acehiklortu d:aeiorstu "
    "e:abcdefghiklmnoprstuvwxyz f:aefilortu g:aeghiklnorstu h:aeilnorstu "
    "i:abcdefgjklmnopqrstuvz j:aeknou k:aeimorstu l:adehilmostuy m:abeimopu "
    "n:acdeghijknostuwyz o:bcdefghiklmnoprstuvw p:aehilopru q:u r:abcdefghiklmnorstuyz "
    "s:acehilopstu t:aehilorstuyz u:abcdefghiklmnoprstuvx v:aeio w:aehinou y:a z:aeiouz "
    # Arabic
    "ا:ءبةتثجحخدرزسشصضطعغفقكلمنهوي ب:اةتحدرطعقلمنهوي ت:ابتجحخدرسشصعفقكلمنهوي ث:ارلمي "
    "ج:ابةدرزلمنهوي ح:اةتدرسقكلموي خ:اتدرصلي د:اةدرسمنهوىي ذ:الهي ر:ابةتجدسضعفقكمنهوىي ز:اي "
    "س:ابةترسطعكلمنوي ش:اترعكمهي ص:ابرفلموي ض:امي ط:ابةرعقلنوي ظ:ة ع:ابةتدرضلمنهوي غ:اري "
    "ف:اةترظقلنوي ق:ابةتدرصطعلوي ك:ابةتثرزسلمنوي ل:ابةتثجحخدذرزسشصطعغفقكلمنهوىي "
    "م:ابةتثجحخدرسشصعقكلمنهوي ن:ابةتجدسشصطظفقمهوي ه:ادذرمنوي و:ابتجحدرزسصضطعفقكلمنهي "
    "ي:ابةتثجحخدرزسشضطعفقكلمنهوي "
    # Cyrillic: Russian
    "а:бвгдежзиклмнпрстуфхцчюя б:аеилоруы в:аеилнорстухшыя г:аеилору д:авежилнорсуы "
    "е:бвгдежзиклмнопрстхцч ж:адеин з:авдеимноуы и:абвгдезиклмнопрстхцчюя к:авежилорсту "
    "л:аеилоуьюя м:аеимнопуыя н:агдеикностуцыья о:бвгдежзиклмнпрстфхчя п:аеилопру "
    "р:авгдеикмностухыя с:авеиклмнопрстуья т:авеикнорсуыья у:бгдежзклмнпрстчщю ф:аеиор х:аио "
    "ц:аеи ч:аеин ш:аеит щ:аеи ы:веиклмсх ь:емнсшюя э:т ю:тщ я:бвезмнтщ"
)
"""letter:the letters that follow it within words, without accents and vowel signs."""

PAIRS = frozenset(
    first + second
    for row in _FOLLOWERS.split()
    for first, seconds in [row.split(":")]
    for second in seconds
)

COMMON_HAN = frozenset(
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学"
    "对可里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面"
    "公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情"
    "部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北"
    "少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目报立马命张活难神数"
    "件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物象记"
    "边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流"
    "每管夫连远资队跟带花快条院变联言权往展该领传近留红治决周保达办运武半候七必城父强步完革深区"
    "即求品士转量空众技轻程告语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片"
    "容研像找友孩站广改议形委早房音火际则首单据导影失拿网香似专兵若谁校读志飞观争究包组造落视济"
    "喜离虽坏您吗吧啊抱歉谢助帮抗拒绝违规建允许涉隐私危险害伤容供供详细请适"
    "這來國個說們為時過對學後麼無開動長現將從進還發當種聲給業間電門東關車應題請讓認論許該語嗎"
    "幫協違絕隱險傷適詳細經與實體處總場書員報張難數計記邊戰親務覺統資隊帶條變聯權"
)
"""Characters that make up most of any ordinary Chinese text, simplified and traditional."""


@cache
def script_of(character: str) -> str | None:
    """The script of a letter as the first word of its Unicode name: LATIN, HAN, ARABIC …"""
    if not character.isalpha():
        return None
    name = unicodedata.name(character, "").split(" ")[0]
    return "HAN" if name.startswith("CJK") else name or None


def plain(text: str) -> str:
    """A text in lower case, without accents and vowel signs, with straight apostrophes."""
    text = re.sub("[’‘ʼ`´]", "'", text.casefold())
    return "".join(
        character
        for character in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(character) and unicodedata.category(character) != "Cf"
    )


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; Chinese and Japanese characters count one by one."""
    text = re.sub("[’‘ʼ]", "'", text.casefold())
    return re.findall(r"[぀-ヿ㐀-鿿]|[^\W_]+(?:'[^\W_]+)*", text)


def scripts_of(text: str) -> Counter[str]:
    """How many letters of each script a text has."""
    return Counter(script for character in text if (script := script_of(character)))


@lru_cache(maxsize=1024)
def languages_of(text: str) -> frozenset[str]:
    """The languages that a text may be in: one, several that fit alike, or none that is known."""
    scripts = scripts_of(text)
    if not scripts:
        return frozenset()
    if scripts["HIRAGANA"] + scripts["KATAKANA"] > 0.1 * scripts.total():
        return frozenset({"ja"})
    script = max(scripts, key=lambda name: scripts[name])
    if script != "LATIN":
        return frozenset({SCRIPTS[script]} if script in SCRIPTS else ())
    words = [part for word in words_of(text) for part in {word, *word.split("'")}]
    hits = {
        language: sum(word in small for word in words) for language, small in SMALL_WORDS.items()
    }
    most = max(hits.values())
    return frozenset(name for name, count in hits.items() if most and count == most)


def same_language(prompt: str, response: str) -> bool:
    """Whether a response may be in the language of its prompt; unknown languages may be any."""
    asked, told = languages_of(prompt), languages_of(response)
    return not asked or not told or bool(asked & told)


def possible_letters(text: str) -> tuple[float, int]:
    """The share of the pairs of letters within words that some language uses, and their number.

    Only words of Latin, Arabic or Cyrillic letters tell: others have no pairs, and a share of 1.
    """
    pairs = [
        first + second
        for word in re.findall("[a-z]+|[\u0621-\u064a]+|[\u0430-\u044f]+", plain(text))
        for first, second in pairwise(word)
    ]
    return sum(pair in PAIRS for pair in pairs) / len(pairs) if pairs else 1.0, len(pairs)
