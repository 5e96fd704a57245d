"""bench/quantization.py: the table from known figures, and a whole run on a small
model that is killed and goes on.

    quantization_test.py HASTEN MODELS
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import quantization  # noqa: E402

FIGURES = {"compile": {"artifact_bytes": 77_900_000}, "cost": {"seconds": 61.4, "cpu_seconds": 100.0, "peak_mb": 1234.5},
           "eval": {"kld_mean": 0.1012, "top1_agreement": 0.8, "perplexity_ratio": 1.1}}


class Table(unittest.TestCase):
    def test_goals(self):
        lines = quantization.table([("a", 0.11, FIGURES), ("b", 0.1, FIGURES), ("c", None, FIGURES), ("d", 0.1, None)])
        self.assertEqual(lines[2], "| a | ≤ 0.11 | 0.1012 | met | 77.90 M | 0.800 | 1.100 | 61 s | 100 s | 1.23 GB |")
        self.assertIn("| missed |", lines[3])
        self.assertEqual(len(lines), 5)


class Whole(unittest.TestCase):
    def test_resumes(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            page = folder / "page.md"
            page.write_text("before\n" + quantization.BEGIN.format("goals") + " -->\nold\n" + quantization.END + "\nafter\n")
            text = folder / "text.txt"
            text.write_text(" ".join(f"line {i * 7919 % 1009} of a text that says little." for i in range(900)))
            command = [sys.executable, "-B", ROOT / "bench/quantization.py", "--hasten", HASTEN, "--model", pathlib.Path(MODELS) / "good", "--calibrate", text,
                       "--text", text, "--context", "64", "--chunks", "4", "--results", folder / "results", "--output", page, "--efforts", "fast"]
            subprocess.run([*command, "--budgets", "0.14"], check=True, capture_output=True)
            first = sorted((folder / "results").glob("*.json"))
            self.assertEqual(len(first), 1)
            known = json.loads(first[0].read_text())
            known["eval"]["kld_mean"] = 123.0   # kept: not measured again
            first[0].write_text(json.dumps(known))
            subprocess.run([*command, "--budgets", "0.14", "0.2"], check=True, capture_output=True)
            self.assertEqual(len(list((folder / "results").glob("*.json"))), 2)
            self.assertEqual(list((folder / "results").glob("*.hst")), [])
            written = page.read_text()
            self.assertIn("| ≤ 0.14 M, fast |  | 123 |", written)
            self.assertIn("| ≤ 0.2 M, fast |", written)
            self.assertNotIn("old", written)
            self.assertTrue(written.startswith("before\n") and written.endswith("\nafter\n"))


if __name__ == "__main__":
    MODELS = sys.argv.pop()
    HASTEN = sys.argv.pop()
    unittest.main()
