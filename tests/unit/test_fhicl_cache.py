"""The cache of parsed texts: what it gives back, what it drops, and that documents stay apart."""

from __future__ import annotations

from runarchive.fhicl.parser import parse, parse_anew
from runarchive.fhicl.tree_cache import TreeCache


def test_the_least_lately_used_is_dropped_first() -> None:
    cache = TreeCache(largest_total=40)
    texts = [f"name: {number}" for number in "abcdefg"]
    for text in texts[:5]:
        cache.put(text, parse_anew(text))
    assert cache.get(texts[0]) is not None
    cache.put(texts[5], parse_anew(texts[5]))
    assert cache.get(texts[0]) is not None
    assert cache.get(texts[1]) is None
    cache.put(texts[0], parse_anew(texts[0]))
    assert [text for text in texts if cache.get(text)] == ["name: a", "name: c", "name: d", "name: e", "name: f"]


def test_a_text_that_would_push_out_the_rest_is_not_kept() -> None:
    cache = TreeCache(largest_total=40)
    cache.put("a: 1", parse_anew("a: 1"))
    long = "name: value # and more"
    cache.put(long, parse_anew(long))
    assert cache.get(long) is None
    assert cache.get("a: 1") is not None


def test_documents_of_one_text_share_no_pairs() -> None:
    one, other = parse("a: { b: 1 }"), parse("a: { b: 1 }")
    assert one.tree is other.tree
    one.data.table("main").table("a").set("b", "2")
    assert other.data.table("main").table("a").text("b") == "1"
