"""Writes fixtures/: small tokenizers of several families, and what the `tokenizers`
package says about some texts. Run it again to change them; needs tokenizers==0.22.1."""
import json
import pathlib

import families

TEXTS = ["", " ", "Hello, world!", "  two  spaces\n\nand lines\t", "the and ing com 12345 it's I'LL", "naïve Café ÉCOLE", "привет мир",
         "日本 東京 中文", "안녕 하세", "नमस्ते", "العربية", "👩‍👩‍👧 😀", "e\u0301 ﬁ ① ½", "<s>special</s> <unk>", "a<mask> b [MASK] c", "\u0000\u0007\u007f\ufffd",
         "<0x41> ▁ ## </w>", "antidisestablishmentarianismantidisestablishmentarianism", "x" * 300, " .,;:!?-_(){}[]", "İstanbul ẞ ǅ"]


def main():
    families.SCALE = 0.28
    folder = pathlib.Path(__file__).parent / "fixtures"
    folder.mkdir(exist_ok=True)
    expected = {}
    for make in (families.llama3, families.roberta, families.llama2, families.mistral, families.bert, families.unigram_bytes, families.word_level):
        t = make()
        (folder / f"{make.__name__}.json").write_text(json.dumps(json.loads(t.to_str()), ensure_ascii=True, separators=(",", ":")) + "\n")
        cases = []
        for text in TEXTS:
            ids = t.encode(text).ids
            cases.append({"text": text, "ids": ids, "raw": t.encode(text, add_special_tokens=False).ids,
                          "decoded": t.decode(ids), "kept": t.decode(ids, skip_special_tokens=False)})
        pair = t.encode("first text", "second").ids
        expected[make.__name__] = {"cases": cases, "pair": pair, "vocab_size": t.get_vocab_size()}
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=True, indent=0, separators=(",", ":")) + "\n")


main()
