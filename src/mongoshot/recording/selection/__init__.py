"""A part of a database that is whole: some documents, and all that they need.

- `model`: what is asked for, and what came of it; `parsing` reads it from the command line
- `values`: the values of references in a document, and which of them are equal
- `inference`: references that nobody has declared; from what some documents show (`sampling`),
  fields and keys that may belong together (`candidates`), what fields are called (`names`), how
  much an overlap speaks for it (`weight`) and the indexes (`evidence`)
- `closure`: references followed, up (`children`) and down
- `choose`: a whole selection, from roots to the state of all that they need
"""
