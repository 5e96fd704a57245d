"""bench/performance.py: the page from known figures, malformed peers, and a whole
run on the tiny shape.

    performance_test.py HASTEN
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import performance  # noqa: E402

FIGURE = {"best": 20.0, "median": 18.0}
MACHINE = {"cpu": "A CPU", "cores": 2,
           "read": [{"threads": 1, "small_pages_gb_per_s": {"best": 1, "median": 1}, "huge_pages_gb_per_s": None, "file_gb_per_s": None},
                    {"threads": 2, "small_pages_gb_per_s": FIGURE, "huge_pages_gb_per_s": {"best": 30, "median": 1}, "file_gb_per_s": {"best": 15.5, "median": 12}}],
           "peak": [{"isa": "avx2", "threads": 1, "int8_gops": {"best": 1, "median": 1}, "fp32_gflops": None},
                    {"isa": "avx2", "threads": 2, "int8_gops": {"best": 1234, "median": 1}, "fp32_gflops": None}],
           "region": [{"threads": 1, "us": FIGURE}, {"threads": 2, "us": {"best": 0.75, "median": 2}}]}


class Render(unittest.TestCase):
    def test_page(self):
        rows = [{"model": "m", "depth": 512, "engine": "hasten int8", "prefill": [90.0, 100.0, 110.0], "decode": [10.0], "bytes": 2_000_000,
                 "start": {"read": [40.0, 50.0, 60.0], "cold": [70.0], "warm": [9.0]}}]
        peers = [{"peer": "other", "model": "m", "depth": 512, "decode": 5.25}]
        page = performance.render(MACHINE, "abc123", rows, peers, "Tried X.\n")
        self.assertIn("| hasten int8 | 100.0 (± 10 %) | 10.0 | 2 MB |", page)
        self.assertIn("| other | – | 5.2 | – |", page)
        self.assertIn("| reading memory, 4 KiB pages | 20.0 GB/s |", page)
        self.assertIn("| reading memory, huge pages | 30.0 GB/s |", page)
        self.assertIn("| reading a mapped file | 15.5 GB/s |", page)
        self.assertIn("| int8 multiply-adds, avx2 | 1,234 GOPS |", page)
        self.assertIn("| an empty parallel region | 0.75 us |", page)
        self.assertIn("| m, 2 MB | 50.0 (± 20 %) | 70.0 | 9.0 |", page)
        self.assertIn("commit abc123", page)
        self.assertEqual(page.count("## m, 512 tokens"), 1)
        self.assertTrue(page.endswith("## What was tried and did not help\n\nTried X.\n"))


class Peers(unittest.TestCase):
    def read(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "peers.jsonl"
            path.write_text(text)
            return performance.read_peers(path, "first", 512)

    def test_defaults(self):
        self.assertEqual(self.read('{"peer": "p", "decode": 3}\n\n'), [{"peer": "p", "decode": 3, "model": "first", "depth": 512}])

    def test_malformed(self):
        for text in ["{", "[]", '{"decode": 3}', '{"peer": "p", "decode": "3"}', '{"peer": "p", "speed": 3}', '{"peer": "p", "decode": true}']:
            with self.assertRaises(SystemExit) as caught:
                self.read('{"peer": "fine"}\n' + text)
            self.assertIn("peers.jsonl:2:", str(caught.exception))


class Whole(unittest.TestCase):
    def test_tiny(self):
        with tempfile.TemporaryDirectory() as folder:
            output, peers = pathlib.Path(folder) / "page.md", pathlib.Path(folder) / "peers.jsonl"
            peers.write_text(json.dumps({"peer": "someone else", "depth": 32, "prefill": 1}))
            subprocess.run([sys.executable, "-B", ROOT / "bench/performance.py", "--hasten", HASTEN, "--output", output, "--peers", peers,
                            "--shapes", "tiny", "--depths", "16", "32", "--new-tokens", "4", "--rounds", "2", "--threads", "2"],
                           check=True, capture_output=True)
            page = output.read_text()
        self.assertEqual(page.count("## tiny, "), 2)
        self.assertEqual(page.count("| someone else |"), 1)
        self.assertGreaterEqual(page.count("| hasten int4:64, head int8:64, "), 2)
        self.assertGreaterEqual(page.count("| hasten int8 per channel, "), 2)


if __name__ == "__main__":
    HASTEN = sys.argv.pop()
    unittest.main()
