"""Looks at the HTML report in a headless Chromium: light and dark, narrow and wide.

    python3 browser_test.py build/bin/report_sample FOLDER

The screenshots stay in FOLDER for people to look at. Checked: they are not blank and
have the theme's and the verdict's colours; nothing is wider than the page; labels lie
inside their plots and ticks do not overlap; and of hostile text nothing became an
element, an attribute or a request. Exit status 77, with the reason, where no browser is.
"""
import html
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np

NARROW, WIDE = 390, 1280
LOOKED_AT = 1_500_000   # pixels from the top, whose colours are counted
SKIP = 77
# Of calib/report/style.cc, by theme: page background, and colours that have to be seen.
THEME = {
    "light": {"page": (0xF6, 0xF7, 0xF9), "fail": (0xB3, 0x26, 0x1E), "pass": (0x18, 0x70, 0x3C), "candidate": (0x1F, 0x6F, 0xC4)},
    "dark": {"page": (0x14, 0x17, 0x1B), "fail": (0xFF, 0x8F, 0x85), "pass": (0x6F, 0xD3, 0x97), "candidate": (0x6D, 0xB3, 0xFF)},
}
# Page, width, height, theme, colours. Whole pages, for people to look at.
SHOTS = [
    ("full", WIDE, 5200, "light", ["fail", "pass", "candidate"]),
    ("full", WIDE, 5200, "dark", ["fail", "pass", "candidate"]),
    ("full", NARROW, 9000, "light", ["fail", "pass", "candidate"]),
    ("full", NARROW, 9000, "dark", ["fail", "pass", "candidate"]),
    ("hostile", NARROW, 9000, "dark", ["fail"]),
    ("passing", WIDE, 5200, "light", ["pass", "candidate"]),
    ("empty", NARROW, 900, "light", []),
]
# Runs beside the page, which itself has no script, in a frame of the same folder.
PROBE = """<!DOCTYPE html><body><iframe src="PAGE" style="border:0;width:WIDTHpx;height:9000px"></iframe><script>
onload = () => {
  const d = document.querySelector('iframe').contentDocument, all = [...d.querySelectorAll('*')], wrong = [];
  for (const plot of d.querySelectorAll('svg.plot')) {
    const name = plot.getAttribute('aria-label'), box = plot.viewBox.baseVal;
    const texts = [...plot.querySelectorAll('text')].map(t => [t, t.getBBox()]);
    for (const [t, b] of texts) if (b.x < -1 || b.y < -1 || b.x + b.width > box.width + 1 || b.y + b.height > box.height + 1) wrong.push(name + ': cut off: ' + t.textContent);
    const ticks = texts.filter(([t]) => t.classList.contains('tick'));
    for (const [s, a] of ticks) for (const [t, b] of ticks)
      if (s !== t && a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height) wrong.push(name + ': ticks overlap: ' + s.textContent + ' and ' + t.textContent);
  }
  const result = {
    over: d.documentElement.scrollWidth - d.documentElement.clientWidth,
    active: all.filter(e => ['SCRIPT', 'IMG', 'IFRAME', 'LINK', 'A', 'OBJECT', 'EMBED', 'FORM', 'BASE'].includes(e.tagName)).map(e => e.tagName),
    handlers: all.filter(e => [...e.attributes].some(a => a.name.startsWith('on') || a.name === 'src' || a.name === 'href')).map(e => e.tagName),
    plots: d.querySelectorAll('svg.plot').length, sections: d.querySelectorAll('section').length, wrong };
  document.body.textContent = 'RESULT' + JSON.stringify(result) + 'END';
};
</script>"""


def find_browser():
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    print("SKIPPED: no Chromium on this machine (Debian: apt-get install chromium)")
    sys.exit(SKIP)


def run(browser, *options):
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files",
                   f"--user-data-dir={profile}", "--no-first-run", "--disable-background-networking", *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def decode(path, most):
    """Size and the first `most` rows, [rows, width, channels], of an 8-bit PNG (RFC 2083)."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            assert depth == 8 and colour in (2, 6), f"{path}: a PNG of depth {depth}, colour type {colour}"
        if kind == b"IDAT":
            packed += body
        at += 12 + size
    step, rows = (3 if colour == 2 else 4), min(most, height)
    raw = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, width * step + 1)[:rows]
    pixels, before = np.zeros((rows, width, step), np.uint8), np.zeros((width, step), np.uint8)
    for y in range(rows):
        before = pixels[y] = unfilter(raw[y, 0], raw[y, 1:].reshape(width, step), before)
    return width, height, pixels


def unfilter(method, row, up):
    if method == 0:
        return row
    if method == 1:
        return np.cumsum(row, axis=0, dtype=np.uint8)
    if method == 2:
        return row + up
    out, left, corner = [], [0] * row.shape[1], [0] * row.shape[1]
    for pixel, above in zip(row.tolist(), up.tolist()):
        if method == 3:
            left = [(x + (a + b) // 2) & 255 for x, a, b in zip(pixel, left, above)]
        else:
            left = [(x + paeth(a, b, c)) & 255 for x, a, b, c in zip(pixel, left, above, corner)]
        corner = above
        out.append(left)
    return np.array(out, np.uint8)


def paeth(left, above, corner):
    p = left + above - corner
    return min((abs(p - left), 0, left), (abs(p - above), 1, above), (abs(p - corner), 2, corner))[2]


def look(browser, page, folder, width, height, theme, colours):
    shot = folder / f"{page}-{width}-{theme}.png"
    run(browser, f"--window-size={width},{height}", f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}", f"--screenshot={shot}",
        (folder / page / "report.html").as_uri())
    assert shot.exists(), f"{shot}: the browser made no screenshot"
    got_width, got_height, pixels = decode(shot, LOOKED_AT // width)
    assert (got_width, got_height) == (width, height), f"{shot}: {got_width} x {got_height}"
    assert tuple(pixels[2, 2, :3]) == THEME[theme]["page"], f"{shot}: the page is {tuple(pixels[2, 2, :3])}, not the {theme} theme's"
    codes, counts = np.unique(pixels[:, :, :3].astype(np.int64) @ [65536, 256, 1], return_counts=True)
    seen = dict(zip(codes.tolist(), counts.tolist()))
    assert len(seen) > 30, f"{shot}: {len(seen)} colours, hardly anything is drawn"
    for name in colours:
        assert seen.get(int(np.dot(THEME[theme][name], [65536, 256, 1])), 0) >= 40, f"{shot}: the colour of {name} is hardly there"


def probe(browser, page, folder, width):
    script = folder / f"probe-{page}-{width}.html"
    script.write_text(PROBE.replace("PAGE", f"{page}/report.html").replace("WIDTH", str(width)))
    out = run(browser, "--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom", script.as_uri())
    found = re.search(r"RESULT(.*)END", out.stdout, re.S)
    assert found, f"{script}: the probe said nothing: {out.stderr[-400:]}"
    result = json.loads(html.unescape(found[1]))
    assert result["over"] <= 0, f"{page} at {width}: {result['over']} pixels wider than the page"
    assert not result["active"] and not result["handlers"], f"{page}: text became {result['active']} {result['handlers']}"
    assert not result["wrong"], f"{page} at {width}: {result['wrong'][:5]}"
    return result


def main():
    sample, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    browser = find_browser()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run([sample, folder], check=True)
    for page, width, height, theme, colours in SHOTS:
        look(browser, page, folder, width, height, theme, colours)
    for page, width in [("full", NARROW), ("full", WIDE), ("hostile", NARROW), ("hostile", WIDE), ("empty", NARROW)]:
        result = probe(browser, page, folder, width)
        if page != "empty":
            assert result["plots"] == 7, f"{page}: {result['plots']} plots"
            assert result["sections"] == 9, f"{page}: {result['sections']} sections"
    print(f"{len(SHOTS)} screenshots in {folder}")


main()
