"""What was compared as a page to look at: one HTML file that needs nothing else, and asks nobody.

A page shows comparisons: one where two states were compared (`difference`), one for each assertion
that failed (`report`). `frame` makes the page, of its data and of `frame.html`, `style.css` and
the scripts; `rows` writes documents field by field, as far as there is `room`.

The data of a page is

    {"report": false, "before": "checkout", "after": "shop_test",
     "comparisons": [{"collections": [{"name": "orders", "counts": "1 updated",
                                       "total": {"updated": 1},
                                       "entries": {"updated": [[NAME, ROWS]]}}]}],
     "cutValues": 0, "mostOfAValue": 100000}

for a difference, whose kinds of entries are "definition", "updated", "inserted", "deleted"; and

    {"report": true, "compared": 412,
     "comparisons": [{"name": "test_shop.py::test_paying", "file": "__expectations__/…",
                      "kind": "changes", "scenario": "shop", "new": false, "problem": "",
                      "notes": ["…"], "cutValues": 0,
                      "collections": [{…, "entries": {"otherwise": [[NAME, ROWS, SECTION,
                                                                     NEAR]]}}]}],
     "cutValues": 0, "mostOfAValue": 100000}

for a report, whose kinds are "otherwise", "missing", "unexpected" and "new". NAME is the `_id` of
a document, SECTION that of the expectation's format, NEAR the `_id` of the document that comes
nearest to a missing one, or null where none does. ROWS are those of `rows`.
"""
