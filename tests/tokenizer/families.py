"""Tokenizers of many families, built with the `tokenizers` package on generated
text, so that compare.py needs no download. Each function returns a Tokenizer."""
import json
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")

SCALE = 1.0  # of vocabulary sizes; make_fixtures.py wants small files

SYLLABLES = ("the an of re st er in on al tion ing com pro ver des la le de que ent ck qu ch sh th ma no pa ti so lu fé ñó üb "
             "при вет мир 日本 東京 中文 안녕 하세 العر بية नम स्ते").split()


def text(seed=1, lines=3000):
    """Word-like text with capitals, digits, punctuation and a few scripts."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(1500)]
    out = []
    for _ in range(lines):
        line = []
        for _ in range(rng.randint(3, 14)):
            w = words[min(int(rng.paretovariate(0.6)), len(words)) - 1]
            w = w.capitalize() if rng.random() < 0.15 else w
            w += rng.choice(["", "", "", "", ",", ".", "'s", "'ll", "!", ";", ")", f" {rng.randint(0, 2024)}", "\n", "  "])
            line.append(w)
        out.append(" ".join(line))
    return out


def trained_bpe(pre=None, normalizer=None, vocab=1500, **kw):
    t = Tokenizer(models.BPE(**kw))
    t.pre_tokenizer = pre or pre_tokenizers.ByteLevel(add_prefix_space=False)
    if normalizer:
        t.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=int(vocab * SCALE), show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if pre is None else [],
                                  **({"end_of_word_suffix": kw["end_of_word_suffix"]} if "end_of_word_suffix" in kw else {}))
    t.train_from_iterator(text(), trainer)
    return t


def with_model(t, **changes):
    """The tokenizer again, with members of its model changed."""
    j = json.loads(t.to_str())
    j["model"].update(changes)
    return Tokenizer.from_str(json.dumps(j))


def byte_fallback_bpe(unk="<unk>", specials=("<s>", "</s>"), fuse=True):
    """As sentencepiece BPE models convert: specials, bytes, then pieces on U+2581."""
    base = trained_bpe(pre=pre_tokenizers.Metaspace(prepend_scheme="always"), vocab=1200)
    j = json.loads(base.to_str())["model"]
    tokens = [unk, *specials] + [f"<0x{b:02X}>" for b in range(256)] + sorted(j["vocab"], key=j["vocab"].get)
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in j["merges"]]
    return Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges, unk_token=unk, fuse_unk=fuse, byte_fallback=True))


def specials(t, *names, **kw):
    t.add_special_tokens([AddedToken(n, normalized=False, special=True, **kw) for n in names])


def gpt2():
    t = trained_bpe()
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    specials(t, "<|endoftext|>")
    return t


def roberta():
    t = trained_bpe(pre=None)
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    t.decoder = decoders.ByteLevel()
    specials(t, "<s>", "</s>")
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True, normalized=False)])
    t.post_processor = processors.RobertaProcessing(("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>")))
    return t


def llama2():
    t = byte_fallback_bpe()
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    specials(t, "<unk>", "<s>", "</s>")
    t.add_tokens([AddedToken("normed token", normalized=True)])
    t.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s>:1 $B:1", [("<s>", 1)])
    return t


def llama3():
    t = with_model(trained_bpe(), ignore_merges=True)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    specials(t, "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>")
    bos = t.token_to_id("<|begin_of_text|>")
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True),
                                            processors.TemplateProcessing("<|begin_of_text|> $A", "<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
                                                                          [("<|begin_of_text|>", bos)])])
    return t


def qwen2():
    t = trained_bpe()
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    specials(t, "<|im_start|>", "<|im_end|>")
    t.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("Café", normalized=True)])
    return t


def o200k():
    t = trained_bpe()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(O200K), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    return t


def deepseek():
    t = trained_bpe()
    split = lambda r: pre_tokenizers.Split(Regex(r), "isolated")
    t.pre_tokenizer = pre_tokenizers.Sequence([
        split("[\r\n]"), split(r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+"), split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
        split(r"\s+$"), split("[一-龥ࠀ-一가-퟿]+"), pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    specials(t, "<｜begin▁of▁sentence｜>", "<｜User｜>")
    return t


def smollm():
    t = trained_bpe()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    specials(t, "<|im_start|>", "<|im_end|>")
    return t


def gemma():
    t = byte_fallback_bpe(specials=("<bos>", "<eos>"))
    t.normalizer = normalizers.Replace(" ", "▁")
    t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    specials(t, "<bos>", "<eos>", "<start_of_turn>")
    t.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("  ", normalized=False)])
    t.post_processor = processors.TemplateProcessing("<bos> $A", "<bos> $A <bos> $B", [("<bos>", 1)])
    return t


def mistral():
    t = byte_fallback_bpe()
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    specials(t, "<s>", "</s>", "[INST]", "[/INST]")
    return t


def bert(lowercase=True, **kw):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    t.normalizer = normalizers.BertNormalizer(lowercase=lowercase, **kw)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(text(), trainers.WordPieceTrainer(vocab_size=int(1500 * SCALE), show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    t.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)])
    t.decoder = decoders.WordPiece()
    return t


def bert_cased():
    t = bert(lowercase=False)
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return t


def unigram(normalizer=None, pre=None, byte_fallback=False):
    t = Tokenizer(models.Unigram())
    t.pre_tokenizer = pre or pre_tokenizers.Metaspace()
    t.train_from_iterator(text(), trainers.UnigramTrainer(vocab_size=int(900 * SCALE), show_progress=False, unk_token="<unk>", special_tokens=["<s>", "</s>", "<unk>"]))
    if normalizer:
        t.normalizer = normalizer
    t.decoder = decoders.Metaspace()
    if byte_fallback:
        j = json.loads(t.to_str())
        j["model"]["vocab"] += [[f"<0x{b:02X}>", 0.0] for b in range(256)]
        j["model"]["byte_fallback"] = True
        t = Tokenizer.from_str(json.dumps(j))
        t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return t


def unigram_bytes():
    return unigram(byte_fallback=True)


def charsmap():
    """The nmt_nfkc map that sentencepiece writes into every model (None without the package)."""
    try:
        import io
        import sentencepiece
    except ImportError:
        return None
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(text(lines=300)), model_writer=model, vocab_size=300, minloglevel=2,
                                             hard_vocab_limit=False, normalization_rule_name="nmt_nfkc")
    def field(data, number):
        at = 0
        def varint():
            nonlocal at
            value = shift = 0
            while True:
                value |= (data[at] & 127) << shift
                shift += 7
                at += 1
                if data[at - 1] < 128:
                    return value
        while at < len(data):
            key = varint()
            if key & 7 == 2:
                size = varint()
                if key >> 3 == number:
                    return data[at:at + size]
                at += size
            elif key & 7 == 0:
                varint()
            else:
                at += 8 if key & 7 == 1 else 4
    return field(field(model.getvalue(), 3), 2)


def xlm_roberta():
    cm = charsmap()
    if cm is None:
        return None
    t = unigram(normalizers.Sequence([normalizers.Precompiled(cm), normalizers.Replace(Regex(" {2,}"), " ")]))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> </s> $B </s>", [("<s>", 0), ("</s>", 1)])
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    return t


def t5():
    cm = charsmap()
    if cm is None:
        return None
    t = unigram(normalizers.Precompiled(cm))
    t.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)])
    specials(t, "<extra_id_0>", "<extra_id_1>", rstrip=True)
    return t


def albert():
    cm = charsmap()
    if cm is None:
        return None
    return unigram(normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(),
                                         normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Precompiled(cm)]))


def clip():
    t = trained_bpe(end_of_word_suffix="</w>", continuing_subword_prefix="")
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    return t


def bpe_suffix():
    t = trained_bpe(pre=pre_tokenizers.Whitespace(), end_of_word_suffix="</w>", unk_token="<unk>")
    j = json.loads(t.to_str())
    j["model"]["vocab"]["<unk>"] = len(j["model"]["vocab"])
    t = Tokenizer.from_str(json.dumps(j))
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Strip()])
    t.decoder = decoders.BPEDecoder()
    return t


def word_level():
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous")])
    t.train_from_iterator(text(), trainers.WordLevelTrainer(vocab_size=800, show_progress=False, special_tokens=["<unk>", "<pad>"]))
    t.decoder = decoders.CTC(pad_token="<pad>", word_delimiter_token="|")
    t.add_tokens([AddedToken("word", single_word=True, normalized=True), AddedToken("left", lstrip=True), AddedToken("right", rstrip=True),
                  AddedToken("both", lstrip=True, rstrip=True, single_word=True), AddedToken("  ", normalized=False)])
    return t


FAMILIES = [gpt2, roberta, llama2, llama3, qwen2, o200k, deepseek, smollm, gemma, mistral, bert, bert_cased, unigram, unigram_bytes,
            xlm_roberta, t5, albert, clip, bpe_suffix, word_level]
