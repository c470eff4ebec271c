"""Varied texts: what people write, and what breaks tokenizers."""
import random

SENTENCES = """She loves ramen with extra chili.|The restaurant is closed on Mondays.|I'm teaching my children to paint!|What does she like to eat?
My appointment is at 10:45 on 3 May 2024, don't forget.|The 42nd quarterly report shows $1,234.56 in revenue (up 12.5%).|Why? Because; that's why...
Straße, naïve café, Ångström, résumé, coöperate, Dvořák|İstanbul'da hava çok güzel, ığdır|Привет, как дела? Ёлка и йод|Γειά σου Κόσμε, ὀδυσσεύς ΣΟΦΟΣ
今日は天気がいいですね。|我喜欢吃拉面，很好吃！|안녕하세요 세계|สวัสดีชาวโลก|नमस्ते दुनिया|مرحبا بالعالم ١٢٣|שלום עולם|Tiếng Việt có dấu: phở, bún chả
🍜🍣 yummy 😋|👩‍👩‍👧‍👦 family 🏳️‍🌈|1️⃣ 2️⃣ first, second|¿Qué tal? ¡Muy bien!|e\u0301 and é are the same|a\u0300\u0316\u0301b|ﬁne ﬂow ½ ² ℃ Å K
[CLS] a [SEP] b [MASK][PAD] [UNK]x|[sep] [ CLS ]|https://example.com/a?b=c&d=e#f|user.name+tag@example.org|C++ & C# == f(x) => {y}|__init__ snake_case camelCase
tab\tnew\nline\r\nreturn|\u00a0\u2003\u3000wide\u200bspaces\u2028here\ufeff|\x00nul\x01\x7f\x1b[31mred\x1b[0m\x85\x0b\x0c|\ufffdreplacement\ue000private\U000e0001tag
\u202eright to left\u202c|soft\u00adhyphen|$+<=>^`|~ ‘quotes’ “double” «french» —dash–|\U0001d54fmath \U0001d7d8|\U00020000\U0002a6df\U0002b740\U0002b820 rare ideographs
ǅ ß ẞ ŉ İ ſ|\U0001e900\U0001e922|\u1e9b\u0323|\u0344\u0f73|가각힣|ｆｕｌｌ　ｗｉｄｔｈ""".replace("\n", "|").split("|")


def texts(count, seed=20261127):
    generator = random.Random(seed)
    words = [word for sentence in SENTENCES for word in sentence.split(" ")]
    result = ["", " ", "\n\t", "\x00", "\u200b", ".", "a", "é", "字", "🍜", "x" * 100, "x" * 101, "é" * 100, "supercalifragilistic" * 40]
    result += SENTENCES
    result += ["ramen " * 5000, "字" * 3000, "antidisestablishmentarianism, " * 300, "." * 2000, "[SEP]" * 400]
    while len(result) < count:
        kind = generator.random()
        if kind < 0.5:
            text = " ".join(generator.choices(words, k=generator.randint(1, 30)))
        elif kind < 0.6:
            text = " ".join(generator.choices(words, k=generator.randint(100, 400)))
        elif kind < 0.8:
            text = "".join(chr(c) for c in (generator.randrange(1, 0x3000) for _ in range(generator.randint(1, 60))))
        elif kind < 0.9:
            text = "".join(chr(c) for c in (generator.randrange(1, 0x110000) for _ in range(generator.randint(1, 60))) if not 0xD800 <= c <= 0xDFFF)
        else:
            text = "".join(generator.choices("aàbc dé\u0301f\u0308字🍜.-,'[]", k=generator.randint(1, 80)))
        result.append(text)
    return result[:count]
