"""How many different stop words of its own language a document holds: Gopher's test, beyond English.

FineWeb-2 asks for two of the commonest words of a language, where Gopher asks for two of eight English ones: a
text without any is a list, a table or in another language. Its lists are the words above 0.8 % of a language's
Wikipedia; ours are written by hand, the commonest function words, so counts differ from theirs by a few while
"at least two" says the same. A language without a list has no value: unknown, not zero.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.signals.options import SignalOptions
from dataflow.signals.signal import Documents, Signal

if TYPE_CHECKING:
    from dataflow.kernels.phrases import Phrases

STOP_WORDS = {
    "ar ara_Arab arb_Arab": "في من على إلى أن عن التي الذي هذا هذه مع كان لا ما هو هي",
    "bg bul_Cyrl": "на и в за да от се с че по не това като са",
    "ca cat_Latn": "de la i el que a en les els per un una amb del és no",
    "cs ces_Latn": "a v se na je že s z o do i to ve k by pro",
    "da dan_Latn": "og i at det en den til er som på de med for af ikke der",
    "de deu_Latn": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine",
    "el ell_Grek": "και το του της η ο να την των με για από που στο είναι τα",
    "en eng_Latn": "the of and to in a is that for it as was with be by on not he",
    "es spa_Latn": "de la que el en y a los se del las un por con una no para es su al",
    "fa fas_Arab pes_Arab": "و در به از که این را با است آن برای یک تا بر",
    "fi fin_Latn": "ja on ei että se oli hän myös kun sen mutta joka ovat",
    "fr fra_Latn": "de la le et les des en un du une que est pour dans qui il par pas au sur",
    "he heb_Hebr": "של את על לא הוא היא עם זה כי גם או אל אם",
    "hi hin_Deva": "के का की में है और से को पर यह एक ने भी हैं कि",
    "hr hrv_Latn": "i je u na se da za od su s što a o kao",
    "hu hun_Latn": "a az és hogy nem is egy ez volt meg azt de csak",
    "id ind_Latn": "yang dan di dengan untuk dari dalam ini pada itu adalah tidak ke",
    "it ita_Latn": "di e che la il un a per in una è del si non della con i da le",
    "ja jpn_Jpan": "の は に を が と で た し て な も れ る す",
    "ko kor_Hang": "이 그 수 및 등 있다 하는 있는 것 또는 그리고",
    "nl nld_Latn": "de van het een en in is dat op te zijn met voor die niet aan er",
    "no nob_Latn": "og i det er på til som en å av for at med ikke den de",
    "pl pol_Latn": "i w na z się do nie że to jest o a jak po od przez",
    "pt por_Latn": "de a o que e do da em um para com não uma os no se na por as",
    "ro ron_Latn": "de și în a la cu o pe că din un nu care mai este",
    "ru rus_Cyrl": "и в не на с что по как из к это он от за а его для",
    "sr srp_Cyrl": "и је у на се да за од су са а о као",
    "sv swe_Latn": "och i att det som en på är av för med den till inte ett om",
    "sw swh_Latn swa_Latn": "ya na wa kwa ni katika la za cha kama hii au pia hiyo",
    "ta tam_Taml": "ஒரு இந்த என்று மற்றும் அது என உள்ள இது அல்லது",
    "te tel_Telu": "ఒక ఈ మరియు ఆ కూడా అని లో ఉంది",
    "th tha_Thai": "ที่ การ และ ใน เป็น ของ มี ได้ ไม่ ให้ จะ",
    "tr tur_Latn": "ve bir bu da de için ile olarak çok daha gibi o ne",
    "uk ukr_Cyrl": "і в на з що не та до у за як від про це",
    "vi vie_Latn": "và của là các có được trong cho một với không người này",
    "zh cmn_Hani zho_Hans zho_Hant": "的 是 在 不 了 有 和 人 这 這 中 为 為 以 他",
}
"""Labels of a language, of lid.176 first and of GlotLID, and its commonest function words, in lower case."""

SIGNALS = (
    Signal(
        "n_stop_words_of_language",
        "words",
        "Distinct stop words of the document's language in it, in any case; an apostrophe or hyphen bounds a word. "
        "Null where there is no list for the language.",
        "Penedo et al. 2025 (FineWeb2), section 3, with lists of our own",
        "stop_words",
        pa.int64(),
    ),
)


def compute(
    documents: Documents, columns: Mapping[str, pa.Array], _options: SignalOptions
) -> dict[str, pa.Array]:
    """The column of this family, by the column ``language``."""
    from dataflow.kernels.phrases import count_phrases

    if "language" not in columns:
        raise ValueError("the family stop_words needs the family language")
    labels = {label: place for place, names in enumerate(STOP_WORDS) for label in names.split()}
    language = columns["language"]
    known = pc.index_in(language, value_set=pa.array(list(labels), language.type))
    places = np.array([*labels.values(), -1], np.int32)  # the last for what is not known
    lists = places[known.fill_null(-1).to_numpy(zero_copy_only=False)]
    distinct = count_phrases(_lists(), documents.texts, lists)[:, 1]
    return {"n_stop_words_of_language": pa.array(distinct, pa.int64(), mask=lists < 0)}


@cache
def _lists() -> "Phrases":
    from dataflow.kernels.phrases import compile_phrases

    return compile_phrases([words.split() for words in STOP_WORDS.values()])
