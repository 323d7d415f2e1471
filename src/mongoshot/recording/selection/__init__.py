"""A part of a database that is whole: some documents, and all that they need.

- `model`: what is asked for, and what came of it; `parsing` reads it from the command line
- `values`: the values of references in a document, and which of them are equal
- `evidence`: what speaks for a reference; `names`: what the name of a field says, `sampling`: what
  some documents of each collection show, `inference`: the references that follow from both
- `closure`: references followed up and down; `choose`: a whole selection, from roots to a state
"""
