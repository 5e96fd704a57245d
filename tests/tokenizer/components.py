"""Each normalizer and pre-tokenizer alone, on a vocabulary that shows what it did;
for compare.py."""
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from families import charsmap


def probe(alphabet):
    """Every character of the alphabet has one token at the start of a piece and
    another inside, so the ids show the normalized text and where it was cut."""
    vocab = {"<unk>": 0}
    for c in alphabet:
        vocab.setdefault(c, len(vocab))
        vocab.setdefault("##" + c, len(vocab))
    t = Tokenizer(models.BPE(vocab, [], unk_token="<unk>", continuing_subword_prefix="##", fuse_unk=False))
    t.add_tokens([AddedToken("<x>", normalized=False), AddedToken("Éa", normalized=True), AddedToken("ab", single_word=True)])
    return t


def components():
    """(name, function that sets one component on a probe tokenizer)."""
    N, P = normalizers, pre_tokenizers
    out = []
    def norm(name, n): out.append(("normalizer " + name, lambda t: setattr(t, "normalizer", n)))
    def pre(name, p): out.append(("pre-tokenizer " + name, lambda t: setattr(t, "pre_tokenizer", p)))
    for n in (N.NFC, N.NFD, N.NFKC, N.NFKD, N.Lowercase, N.StripAccents, N.Nmt, N.ByteLevel):
        norm(n.__name__, n())
    norm("Strip", N.Strip()); norm("Strip left", N.Strip(True, False)); norm("Strip right", N.Strip(False, True))
    norm("Prepend", N.Prepend("▁")); norm("Replace", N.Replace("a", "bb")); norm("Replace empty", N.Replace(" ", ""))
    norm("Replace regex", N.Replace(Regex(r"[\s\d]+"), "-")); norm("Replace empty regex", N.Replace(Regex("x*"), "|"))
    norm("Bert", N.BertNormalizer()); norm("Bert plain", N.BertNormalizer(False, False, False, False))
    norm("Bert accents", N.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=True, lowercase=False))
    norm("Sequence", N.Sequence([N.NFD(), N.StripAccents(), N.Lowercase(), N.Sequence([N.Strip(), N.Replace("a", "e")])]))
    cm = charsmap()
    if cm is not None:
        norm("Precompiled", N.Precompiled(cm))
    behaviors = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
    for b in behaviors:
        for invert in (False, True):
            pre(f"Split regex {b} {invert}", P.Split(Regex(r"\d+|[\s,]"), b, invert))
            pre(f"Split string {b} {invert}", P.Split("a", b, invert))
        pre(f"Punctuation {b}", P.Punctuation(b))
    pre("Split empty", P.Split(Regex("x*"), "isolated")); pre("Split words", P.Split(Regex(r"\w+|[^\w\s]+"), "isolated"))
    for c in ("L", "N", "P", "S", "M", "Z", "C", "Lu", "Ll", "Lo", "Nd", "Han", "Latin", "Arabic", "Alphabetic"):
        pre(f"Split \\p{{{c}}}", P.Split(Regex(rf"\p{{{c}}}"), "isolated"))
    for c in (r"\s", r"\w", r"\d", r"(?i)straSSe|[k]", r"\X", r"\R", r"[[:alpha:]]", r"[[:punct:]]", r"\b", r"(?<=\p{L})\p{N}"):
        pre(f"Split {c}", P.Split(Regex(c), "isolated"))
    pre("Whitespace", P.Whitespace()); pre("WhitespaceSplit", P.WhitespaceSplit()); pre("Bert", P.BertPreTokenizer())
    pre("Digits", P.Digits(False)); pre("Digits individual", P.Digits(True)); pre("CharDelimiterSplit", P.CharDelimiterSplit("a"))
    pre("FixedLength", P.FixedLength(3))
    for s in ("always", "first", "never"):
        for split in (True, False):
            pre(f"Metaspace {s} {split}", P.Metaspace("▁", s, split))
    for a in (True, False):
        for r in (True, False):
            pre(f"ByteLevel {a} {r}", P.ByteLevel(a, use_regex=r))
    pre("Sequence", P.Sequence([P.Digits(), P.Punctuation(), P.Metaspace("▁", "first")]))
    out.append(("both", lambda t: (setattr(t, "normalizer", N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")])),
                                   setattr(t, "pre_tokenizer", P.Sequence([P.Punctuation(), P.Metaspace("▁", "first", False)])))))
    out.append(("strip first", lambda t: (setattr(t, "normalizer", N.Strip()), setattr(t, "pre_tokenizer", P.Metaspace("▁", "first")))))
    out.append(("nfd first", lambda t: (setattr(t, "normalizer", N.NFD()), setattr(t, "pre_tokenizer", P.Sequence([P.WhitespaceSplit(), P.Metaspace("▁", "first")])))))
    return out
