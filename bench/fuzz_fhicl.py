"""A long fuzz of FHiCL, `python bench/fuzz_fhicl.py [SECONDS] [SEED]`: each text held to what holds for any text."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests import golden_fhicl as golden
from tests.fhicl_texts import LINES, WORDS
from tests.unit.test_fhicl_properties import check, damaged, parsed_or_refusal
from tests.unit.test_fhicl_tokens import outcome, without_the_short_way

PIECES = [*WORDS.split(), *LINES, *"\n\r \t\x0c\x00\x7f", "\r\n"]


def main() -> None:
    """Fuzz until the time is up; the text that breaks a promise is printed."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    dice = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    sources = [one.source for one in golden.stored() if len(one.source) < 20_000]
    seen: Counter[str] = Counter()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if dice.random() < 0.5:
            text = damaged(dice, dice.choice(sources))
        else:
            text = "".join(dice.choices(PIECES, k=dice.randint(1, 40)))
        try:
            check(text)
            assert without_the_short_way(partial(outcome, text)) == outcome(text)
        except BaseException:
            sys.stderr.write(f"broken by {text!r}\n")
            raise
        seen[type(parsed_or_refusal(text)).__name__] += 1
    sys.stdout.write(f"{seconds:.0f} s: {dict(seen)}\n")


if __name__ == "__main__":
    main()
