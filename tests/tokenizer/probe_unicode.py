"""Writes the tables of code points that the `tokenizers` package treats otherwise
than utf8proc 2.8 and Oniguruma 6.9.8 do, because it mixes Unicode versions.

The package is asked about every code point through its components, the libraries
through ctypes. Run it again when either side is updated:
  probe_unicode.py RUNTIME_TOKENIZER_FOLDER
"""
import ctypes
import ctypes.util
import pathlib
import sys

from tokenizers import Regex, normalizers as N, pre_tokenizers as P

ALL = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
proc = ctypes.CDLL(ctypes.util.find_library("utf8proc"))
onig = ctypes.CDLL(ctypes.util.find_library("onig"))
MN, MC, ME, ND, NL, NO, PC, PO, CC, CF, CS, CO = 6, 7, 8, 9, 10, 11, 12, 18, 26, 27, 28, 29  # utf8proc_category_t


class Property(ctypes.Structure):
    _fields_ = [("category", ctypes.c_int16), ("combining_class", ctypes.c_int16)]


proc.utf8proc_get_property.restype = ctypes.POINTER(Property)
CATEGORY = {c: proc.utf8proc_category(c) for c in ALL}


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def rows_of(kind, name, rows, comment):
    text, line = f"// {comment}\nconst {kind} {name}[] = {{\n", "   "
    for row in rows or [(0xFFFFFFFF, 0xFFFFFFFF)]:
        r = "{" + ", ".join(f"0x{v:X}" for v in row) + "},"
        if len(line) + len(r) > 112:
            text += line + "\n"
            line = "   "
        line += " " + r
    return text + line + "\n};\n"


def table(name, points, comment):
    return rows_of("Range", name, ranges(points), comment)


def delta(is_package, is_ours):
    return [c for c in ALL if is_package(c) != is_ours(c)]


def split_alone(pre):
    """Whether the character is cut away from the letters around it."""
    return lambda c: len(pre.pre_tokenize_str("a" + chr(c) + "a")) > 1


def classes():
    nfd = N.NFD()
    mark = N.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    clean = N.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    own = lambda c: nfd.normalize_str(chr(c)) == chr(c)
    word = {c for c in ALL if 1 <= CATEGORY[c] <= 8 or CATEGORY[c] in (ND, NL, PC)}
    lower = N.Lowercase()
    yield table("kNumericDelta", delta(split_alone(P.Digits(True)), lambda c: CATEGORY[c] in (ND, NL, NO)),
                "char::is_numeric of Rust against N*.")
    yield table("kPunctuationDelta", [c for c in delta(split_alone(P.Punctuation()), lambda c: PC <= CATEGORY[c] <= PO) if c >= 0x80],
                "The unicode_categories crate (Unicode 8) against P*.")
    yield table("kWordDelta", [c for c in delta(lambda c: len(P.Whitespace().pre_tokenize_str("a" + chr(c))) == 1 and
                                               P.Whitespace().pre_tokenize_str("a" + chr(c))[0][0] != "a", lambda c: c in word)],
                "\\w of the regex crate against L*, M*, Nd, Nl, Pc.")
    yield table("kNonspacingDelta", [c for c in ALL if own(c) and (mark.normalize_str("a" + chr(c)) == "a") != (CATEGORY[c] == MN)],
                "The unicode_categories crate against Mn.")
    yield table("kCombiningDelta", delta(lambda c: N.StripAccents().normalize_str("a" + chr(c)) == "a", lambda c: CATEGORY[c] in (MN, MC, ME)),
                "The unicode-normalization-alignments crate against M*.")
    yield table("kOtherDelta", [c for c in delta(lambda c: clean.normalize_str("a" + chr(c) + "a") == "aa", lambda c: CATEGORY[c] in (CC, CF, CO))
                                if c not in (9, 10, 13, 0xFFFD)],
                "The unicode_categories crate against Cc, Cf, Co.")
    pairs = [(c, ord(lower.normalize_str(chr(c)))) for c in ALL
             if len(lower.normalize_str(chr(c))) == 1 and ord(lower.normalize_str(chr(c))) != proc.utf8proc_tolower(c)]
    yield rows_of("Range", "kLowerDelta", pairs, "Lower case by Rust's table where it differs: {code point, lower case}.")
    odd = [hex(c) for c in ALL if len(lower.normalize_str(chr(c))) != 1]
    assert odd == ["0x130"], odd
    spaces = [c for c in ALL if len(P.WhitespaceSplit().pre_tokenize_str("a" + chr(c) + "a")) > 1]
    assert spaces == [9, 10, 11, 12, 13, 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000], spaces


def inert():
    def ours(c, compat):
        buffer, last = (ctypes.c_int32 * 64)(), ctypes.c_int()
        n = proc.utf8proc_decompose_char(c, buffer, 64, (1 << 4) | (4 if compat else 0), ctypes.byref(last))
        return "".join(map(chr, buffer[:n]))
    nfd, nfkd = N.NFD(), N.NFKD()
    out = []
    for c in ALL:
        s = chr(c)
        plain = nfd.normalize_str(s) == s and nfkd.normalize_str(s) == s
        starter = nfd.normalize_str(s + "\u0334") == nfd.normalize_str(s) + "\u0334" and nfd.normalize_str("\u0315" + s) == "\u0315" + nfd.normalize_str(s)
        class_ = proc.utf8proc_get_property(c).contents.combining_class
        if plain and starter and (class_ != 0 or ours(c, False) != s or ours(c, True) != s):
            out.append(c)
        elif not plain:
            assert nfkd.normalize_str(s) == nfkd.normalize_str(ours(c, True)), hex(c)
    return table("kInert", out, "Code points that the package's normalization tables (Unicode 12.1) do not know.")


# What a regular expression can ask about a character, as far as tokenizers do.
ASK = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So",
       "Zs", "Cf", "Co", "Alphabetic", "White_Space", "Han", "Latin", "Cyrillic", "Greek", "Arabic", "Hiragana", "Katakana", "Hangul"]


def package_members(name):
    found = set()
    pre = P.Split(Regex(rf"\p{{{name}}}"), "removed")
    for i in range(0, len(ALL), 4096):
        chunk = ALL[i:i + 4096]
        kept = {chr_ for piece, _ in pre.pre_tokenize_str("".join(map(chr, chunk))) for chr_ in piece}
        found |= {c for c in chunk if chr(c) not in kept}
    return found


def onig_members(name):
    pattern, regex, info = rf"\p{{{name}}}+".encode(), ctypes.c_void_p(), ctypes.create_string_buffer(256)
    utf8 = ctypes.c_void_p.in_dll(onig, "OnigDefaultSyntax")
    encoding = ctypes.addressof(ctypes.c_char.in_dll(onig, "OnigEncodingUTF8"))
    onig.onig_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    address = ctypes.cast(pattern, ctypes.c_void_p).value
    assert onig.onig_new(ctypes.byref(regex), pattern, address + len(pattern), 0, encoding, utf8, info) == 0, name
    onig.onig_match.argtypes = [ctypes.c_void_p] * 5 + [ctypes.c_uint]
    text = "".join(map(chr, ALL)).encode()
    base = ctypes.cast(text, ctypes.c_void_p).value
    found, at, i = set(), 0, 0
    while i < len(ALL):
        n = onig.onig_match(regex, base, base + len(text), base + at, None, 0)
        if n > 0:
            count = len(text[at:at + n].decode())
            found |= set(ALL[i:i + count])
            at, i = at + n, i + count
        else:
            at, i = at + len(chr(ALL[i]).encode()), i + 1
    return found


def stand_ins():
    package, ours = {c: 0 for c in ALL}, {c: 0 for c in ALL}
    for bit, name in enumerate(ASK):
        for c in package_members(name):
            package[c] |= 1 << bit
        for c in onig_members(name):
            ours[c] |= 1 << bit
    first = {}
    for c in ALL:
        first.setdefault((len(chr(c).encode()), ours[c]), c)
    rows, missing = [], []
    for c in ALL:
        if package[c] == ours[c]:
            continue
        size = len(chr(c).encode())
        s = first.get((size, package[c]))
        if s is None:  # no twin of that script: keep the category at least
            s = next((first[k] for k in first if k[0] == size and k[1] & ((1 << 25) - 1) == package[c] & ((1 << 25) - 1)), None)
        if s is None:
            missing.append(hex(c))
        elif rows and rows[-1][1] == c - 1 and rows[-1][2] == s:
            rows[-1][1] = c
        else:
            rows.append([c, c, s])
    print("without a stand-in:", missing)
    return rows_of("StandIn", "kStandIns", rows, "Code points younger than Oniguruma's tables, and an older one of the same kind and length.")


def main():
    folder = pathlib.Path(sys.argv[1])
    head = "// Written by tests/tokenizer/probe_unicode.py; do not edit.\n"
    (folder / "unicode_delta.inc").write_text(head + "// Code points whose class differs from what utf8proc 2.8's category (Unicode 15) says.\n" + "".join(classes()))
    (folder / "unicode_inert.inc").write_text(head + inert())
    (folder / "regex_stand_ins.inc").write_text(head + stand_ins())


main()
